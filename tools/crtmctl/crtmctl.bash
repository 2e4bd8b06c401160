# SPDX-License-Identifier: MIT
# bash completion of crtmctl                               -*- shell-script -*-

_crtmctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local verbs="info send status counter measure provision"
	local common="--device --json --help --version"
	local verb="" i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-d | --device)
			((i++))
			;;
		-*) ;;
		*)
			verb=${COMP_WORDS[i]}
			break
			;;
		esac
	done

	case $prev in
	-d | --device)
		mapfile -t COMPREPLY < <(compgen -W "$(compgen -G '/dev/mtd[0-9]*' | grep -v ro)" \
			-- "$cur")
		return
		;;
	--slot | --address | --length | --nonce | --list | --block)
		return
		;;
	-o | --output | -e | --expect)
		compopt -o default
		return
		;;
	esac

	case $verb in
	"") common="$common $verbs" ;;
	send) common="$common --rd --binary --list" ;;
	counter) common="$common --slot --block" ;;
	measure) common="$common --address --length --expect --nonce --slot" ;;
	provision) common="$common --output" ;;
	esac
	if [[ $cur == -* || -z $verb ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$common" -- "$cur")
	elif [[ $verb == send || $verb == provision ]]; then
		compopt -o default
	fi
}

complete -F _crtmctl crtmctl
