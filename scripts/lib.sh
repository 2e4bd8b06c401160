# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the scripts share: where things are, messages, the package list, the private apt folder.
# Sourced with the name of the calling script in $0.

TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=$TREE/build
CACHE=${CRTM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mtd-crtm}
# The processors that there are kernels, tools and guests for, as Debian names them; the first is
# the one that is taken where none is named.
ARCHES="arm64 amd64"
export TREE BUILD CACHE ARCHES

note()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die()
{
	note "$*"
	exit 1
}

# packages SECTION: the rest of each line of that section of scripts/packages
packages()
{
	sed -n "s/^$1[[:space:]]\+//p" "$TREE/scripts/packages"
}

# kernels KVER FIELD [ARCH]: a field of that kernel's line in scripts/kernels
kernels()
{
	awk -v k="$1" -v f="$2" -v arch="${3:-}" \
		'$1 == k { gsub(/ARCH/, arch); print $f }' "$TREE/scripts/kernels"
}

kernel_versions()
{
	awk '$1 ~ /^[0-9]/ { print $1 }' "$TREE/scripts/kernels"
}

# Those that "make check" takes.
check_kernels()
{
	awk '$1 == "check" { $1 = ""; print }' "$TREE/scripts/kernels" | xargs -n 1
}

# check_kver KVER: stop unless scripts/kernels has that kernel; of KVER-KIND, unless there is
# such a kind of a kernel with debugging too
check_kver()
{
	local kver=${1%-*}

	if ! kernel_versions | grep -qxF -e "$kver"; then
		"$TREE/scripts/check-kernel" "$1" || exit
		die "no kernel '$1' in scripts/kernels (there are: $(kernel_versions | xargs))"
	fi
	case $1 in
	*-kasan|*-kcsan) ;;
	*-*)	die "no kind of kernel '${1##*-}' in scripts/debug.d (there are: kasan kcsan)" ;;
	esac
}

# series_id FOLDER: the same for the same patches, whoever signs them and when
series_id()
{
	cat "$1"/[0-9][0-9][0-9][0-9]-*.patch | git patch-id --stable | cut -d ' ' -f 1 |
		sha256sum | cut -c 1-16
}

# check_arch ARCH
check_arch()
{
	case " $ARCHES " in
	*" $1 "*) ;;
	*) die "no processor '$1' here (there are: $ARCHES)" ;;
	esac
}

# kernel_dir KVER [ARCH]: where scripts/fetch puts that kernel, and scripts/debug-kernel KVER-KIND
# (default: $ARCH)
kernel_dir()
{
	local arch=${2:-${ARCH:-${ARCHES%% *}}}

	case $1 in
	*-*)	echo "$BUILD/$1-$arch" ;;
	*)	echo "$CACHE/kernel/$1/$arch" ;;
	esac
}

# kbuild KVER ARCH FOLDER ARGUMENT...: make with that kernel's headers and compiler, for what lies
# in FOLDER
kbuild()
{
	local arch=$2 folder=$3 kernel run=()

	kernel=$(kernel_dir "$1" "$2")
	shift 3
	[ ! -d "${kernel%/*}/root" ] ||
		run=("$TREE/scripts/in-root" "${kernel%/*}/root" "$folder")
	# Without type information (BTF): it would take pahole, and modules need none.
	"${run[@]}" make -C "$(cd "$kernel/headers" && pwd -P)" ARCH="$(kernel_arch "$arch")" \
		CROSS_COMPILE="$(gnu_arch "$arch")-" CONFIG_DEBUG_INFO_BTF_MODULES= "$@"
}

# kernel_arch ARCH: the processor as the kernel's makefiles name it
kernel_arch()
{
	case $1 in
	amd64)	echo x86 ;;
	*)	echo "$1" ;;
	esac
}

# gnu_arch ARCH: the processor as the compilers and the library folders name it
gnu_arch()
{
	case $1 in
	amd64)	echo x86_64-linux-gnu ;;
	arm64)	echo aarch64-linux-gnu ;;
	esac
}

# guest_result CONSOLE: the exit code that the guest has put on its console, if it has. The kernel
# may write on in the same line.
guest_result()
{
	tr -d '\r' <"$1" | sed -nE 's/^@@GUEST-RESULT ([0-9]+).*/\1/p' | tail -n 1
}

# One process at a time works on the cache; the lock goes with the process.
lock_cache()
{
	mkdir -p "$CACHE"
	CACHE=$(cd "$CACHE" && pwd -P)
	exec 9>"$CACHE/lock"
	if ! flock -n 9; then
		note "waiting for another run that fills $CACHE"
		flock 9
	fi
	trap 'rm -rf "$CACHE"/tmp.*' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	rm -rf "$CACHE"/tmp.*
}

# The name of the Debian that this machine runs.
codename()
{
	local codename

	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -n "$codename" ] || die "/etc/os-release names no VERSION_CODENAME: this is not Debian"
	echo "$codename"
}

# debian_targets FORMAT: the machine's own package indexes that are Debian's, for this release
debian_targets()
{
	local codename

	codename=$(codename) || exit
	apt-get indextargets --format "\$(ORIGIN)|\$(CODENAME)|$1" \
		"Created-By: Packages" |
	awk -F'|' -v c="$codename" '$1 == "Debian" && ($2 == c || $2 == c "-updates" || \
		$2 == c "-security") { sub(/^[^|]*\|[^|]*\|/, ""); print }' | sort -u
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "this needs root, and sudo is not there. Run as root: $*"
	fi
}

# A machine that never ran "apt-get update" does not know whose packages it has.
# A list that was never read makes an older version look like the newest: all must be there.
refresh_machine_apt()
{
	# shellcheck disable=SC2016 # apt's own expansion
	local format='$(REPO_URI) $(RELEASE) $(COMPONENT)' want have

	want=$(apt-get indextargets --no-release-info --format "$format" "Created-By: Packages")
	have=$(apt-get indextargets --format "$format" "Created-By: Packages")
	[ -n "$(debian_targets x)" ] && [ "$(sort -u <<<"$want")" = "$(sort -u <<<"$have")" ] &&
		return
	note "reading the package lists of this machine (apt-get update)"
	# A third party's source may fail; what counts is that Debian's lists are there.
	as_root apt-get update -q >&2 || true
	[ -n "$(debian_targets x)" ] ||
		die "apt on this machine has no source of Debian packages for its own release"
}

# suite_lines SUITE: sources of Debian's binary packages in SUITE, out of the machine's own: a line
# "URI DIST COMPONENT" each. The machine's own release comes with its updates and security, its
# backports with all of that; what other suites have is one archive, at the same place.
suite_lines()
{
	local suite=$1 codename

	codename=$(codename) || exit
	# shellcheck disable=SC2016 # apt's own expansion
	case $suite in
	"$codename"|"$codename"-*)
		debian_targets '$(REPO_URI) $(RELEASE) $(COMPONENT)' ;;
	esac
	[ "$suite" != "$codename" ] || return 0
	# shellcheck disable=SC2016 # apt's own expansion
	debian_targets '$(CODENAME) $(REPO_URI) $(COMPONENT)' |
		awk -v c="$codename" -v s="$suite" '$1 == c { print $2, s, $3 }'
}

# setup_apt SUITE: from now on apt works in a private folder with an empty status file: it
# resolves and downloads packages of SUITE, of any architecture, and installs nothing. Needs the
# cache's lock.
setup_apt()
{
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	local suite=$1 apt=$CACHE/apt/$1 host archs signed='' default=''

	unset APT_CONFIG
	# By itself apt takes of backports only what is nowhere else.
	[ "$suite" = "$(codename)" ] || default="APT::Default-Release \"$suite\";"
	refresh_machine_apt
	host=$(dpkg --print-architecture)
	archs=$(echo "$host $ARCHES" | tr ' ' '\n' | sort -u | sed 's/.*/"&";/' | tr '\n' ' ')
	mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/none"
	: >"$apt/status"
	[ -e "$keyring" ] && signed="[signed-by=$keyring] "
	suite_lines "$suite" | sed "s|^|deb $signed|" >"$apt/sources.list"
	# The hooks of the machine's configuration serve the machine's own package state.
	cat >"$apt/main.conf" <<-END
	$([ -e /etc/apt/apt.conf ] && echo '#include "/etc/apt/apt.conf";')
	#clear APT::Update::Pre-Invoke;
	#clear APT::Update::Post-Invoke;
	#clear APT::Update::Post-Invoke-Success;
	#clear DPkg::Post-Invoke;
	#clear Acquire::IndexTargets::deb::DEP-11;
	END
	cat >"$apt/apt.conf" <<-END
	Dir::State "$apt/state";
	Dir::State::status "$apt/status";
	Dir::Cache "$apt/cache";
	Dir::Etc::main "$apt/main.conf";
	Dir::Etc::sourcelist "$apt/sources.list";
	Dir::Etc::sourceparts "-";
	Dir::Etc::preferences "-";
	Dir::Etc::preferencesparts "$apt/none";
	APT::Architecture "$host";
	APT::Architectures { $archs };
	APT::Sandbox::User "root";
	$default
	APT::Install-Recommends "false";
	Acquire::Languages "none";
	Acquire::Retries "3";
	END
	export APT_CONFIG=$apt/apt.conf
	# Lists of the last hours will do; a stale one shows as a failed download.
	if [ -z "$(find "$apt/updated" -mmin -360 2>/dev/null)" ] ||
	   ! cmp -s "$apt/sources.list" "$apt/updated"; then
		note "reading Debian's package lists ($suite)"
		apt-get update -q "${APT_QUIET[@]}" >&2 ||
			die "apt-get update failed for $suite"
		cp "$apt/sources.list" "$apt/updated"
	fi
}

# Progress on a terminal, a line a file elsewhere.
APT_QUIET=()
[ -t 2 ] || APT_QUIET=(-o quiet::NoProgress=1)

# download PACKAGE[:ARCH]=VERSION…: into $CACHE/deb, unless it is there already; prints the paths
download()
{
	_download apt-get download "$@"
}

# download_closure ARCH PACKAGE…: the packages with all that they depend on
download_closure()
{
	local arch=$1

	shift
	_download apt-get install -y -o APT::Architecture="$arch" "$@"
}

_download()
{
	local uris tmp uri file missing=() all=() size=0 n arg=()

	uris=$("$@" --print-uris -q) || die "apt cannot resolve: $*"
	mkdir -p "$CACHE/deb"
	while read -r uri file n _; do
		case $uri in \'*) ;; *) continue ;; esac
		all+=("$CACHE/deb/$file")
		[ -e "$CACHE/deb/$file" ] && continue
		missing+=("$file")
		size=$((size + n))
	done <<<"$uris"
	[ "${#all[@]}" -gt 0 ] || die "apt found nothing for: $*"
	if [ "${#missing[@]}" -gt 0 ]; then
		note "downloading ${#missing[@]} packages, $(((size + 999999) / 1000000)) MB"
		tmp=$(mktemp -d "$CACHE/tmp.XXXXXX")
		for file in "${missing[@]}"; do
			arg+=("$(_package_of "$file")")
		done
		if ! (cd "$tmp" && apt-get download -q "${APT_QUIET[@]}" "${arg[@]}" >&2); then
			rm -f "${APT_CONFIG%/*}/updated"
			die "download failed; run it again (the package lists may have been stale)"
		fi
		for file in "${missing[@]}"; do
			[ -e "$tmp/$file" ] || die "apt did not deliver $file"
		done
		mv "$tmp"/*.deb "$CACHE/deb/"
		rm -rf "$tmp"
	fi
	printf '%s\n' "${all[@]}"
}

# name_version_arch.deb, as apt names what it downloads, back to name:arch=version
_package_of()
{
	local f=${1%.deb} name version arch

	name=${f%%_*}
	arch=${f##*_}
	version=${f#*_}
	version=${version%_*}
	printf '%s%s=%s\n' "$name" "$([ "$arch" = all ] || echo ":$arch")" "${version//%3a/:}"
}
