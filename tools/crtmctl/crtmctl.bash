# SPDX-License-Identifier: MIT
# bash completion of crtmctl                               -*- shell-script -*-

_crtmctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local verbs="info send status counter measure provision"
	local common="--device --json --help --version"
	local verb="" what="" i

	verbs+=" map lock unlock freeze password protect"

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
	--slot | --address | --offset | --length | --nonce | --list | --block | --confirm)
		return
		;;
	-o | --output | -e | --expect | -f | --file)
		# A number after lock and unlock, else a file.
		[[ $prev == -o && $verb == *lock ]] || compopt -o default
		return
		;;
	esac

	case $verb in
	"") what=$verbs ;;
	send) common="$common --rd --binary --list" ;;
	counter) common="$common --slot --block" ;;
	measure) common="$common --address --length --expect --nonce --slot" ;;
	provision) common="$common --output" ;;
	lock) common="$common --offset --length --down --non-volatile" ;;
	unlock) common="$common --offset --length --non-volatile" ;;
	password)
		common="$common --file --confirm"
		what="verify unlock program"
		;;
	protect)
		common="$common --file --confirm"
		what="password-mode no-password status-register protection-management"
		what+=" non-volatile-locks non-volatile-erase"
		;;
	esac
	if [[ $cur == -* || -z $verb ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$common $what" -- "$cur")
	elif [[ -n $what ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$what" -- "$cur")
	elif [[ $verb == send || $verb == provision ]]; then
		compopt -o default
	fi
}

complete -F _crtmctl crtmctl
