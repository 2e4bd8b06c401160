#!/bin/bash
# SPDX-License-Identifier: MIT
#
# scripts/tap, run-jobs and report: what counts as passed, failed and skipped, and that nothing
# that went wrong is lost on the way to the closing line. Writes TAP.

set -u
scripts=$(cd "$(dirname "$0")/../../../scripts" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 bad=0

result()
{
	n=$((n + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $n $1"
	else
		echo "not ok $n $1"
		printf '# expected: %s\n# got: %s\n' "${2//$'\n'/ | }" "${3//$'\n'/ | }"
		bad=1
	fi
}

# counts TEXT "passed failed skipped" EXIT-CODE STREAM
counts()
{
	result "$1" "$2" "$(printf '%b' "$4" | "$scripts/tap" -v rc="$3" | head -n 1)"
}

counts "a plan first" "2 0 0" 0 '1..2\nok 1 a\nok 2 b\n'
counts "a plan last" "2 0 0" 0 'ok 1 a\nok 2 b\n1..2\n'
counts "carriage returns" "1 0 0" 0 '1..1\r\nok 1 a\r\n'
counts "a failed test" "1 1 0" 1 '1..2\nok 1 a\nnot ok 2 b\n'
counts "a skipped test is not passed" "1 0 1" 0 '1..2\nok 1 a\nok 2 # SKIP no such thing\n'
counts "a plan of none skips all" "0 0 1" 0 '1..0 # SKIP no such thing\n'
counts "a plan of none, no reason" "0 1 0" 0 '1..0\n'
counts "nothing at all" "0 1 0" 0 ''
counts "no plan" "1 2 0" 0 'ok 1 a\n'
counts "a stream cut short" "1 1 0" 0 '1..3\nok 1 a\n'
counts "more than planned" "2 1 0" 0 '1..1\nok 1 a\nok 2 b\n'
counts "a number left out" "2 1 0" 0 '1..2\nok 1 a\nok 3 b\n'
counts "two programs" "3 0 0" 0 \
	'TAP version 13\n1..1\nok 1 a\nTAP version 13\n1..2\nok 1 a\nok 2 b\n'
counts "the first of two cut short" "2 1 0" 0 '1..2\nok 1 a\n1..1\nok 1 a\n'
counts "plans first and last" "3 0 0" 0 '1..1\nok 1 a\nok 1 a\nok 2 b\n1..2\n'
counts "subtests don't count" "1 0 0" 0 '1..1\n    not ok 1 inner\nok 1 a\n'
counts "an exit code that no test explains" "1 1 0" 3 '1..1\nok 1 a\n'
counts "the time limit" "1 2 0" 124 '1..2\nok 1 a\n'
counts "a kernel that complained" "0 2 0" 126 '1..1\nnot ok 1 a\n'
counts "a guest that died" "1 1 0" 127 '1..1\nok 1 a\n'
counts "killed by a signal" "1 1 0" 139 '1..1\nok 1 a\n'
counts "bail out" "1 2 0" 255 '1..1\nok 1 a\nBail out! no more\n'

# in_guest TEXT RESULT CONSOLE
in_guest()
{
	printf '%b' "$3" >"$work/console"
	# shellcheck disable=SC2016 # for that shell
	result "a guest's console: $1" "$2" \
		"$(bash -c '. "$0"; guest_result "$1"' "$scripts/lib.sh" "$work/console")"
}

in_guest "a result" 3 '[    1.0] x\r\n@@GUEST-RESULT 3\r\n[    2.0] reboot: Restarting\r\n'
in_guest "the kernel in the same line" 1 '@@GUEST-RESULT 1[   29.912244] reboot: Restarting\n'
in_guest "none" "" '[    1.0] reboot: Restarting\n'

# diagnosis TEXT LINES STREAM
diagnosis()
{
	result "$1" "$2" "$(printf '%b' "$3" | "$scripts/tap" | sed -n 's/^D # *//p' | xargs)"
}

diagnosis "what is said after a failure is shown" "why" '1..2\n# x\nok 1 a\nnot ok 2 b\n# why\n'
diagnosis "what is said before a failure is shown" "RUN b why" \
	'1..3\n# RUN a\nok 1 a\n# RUN b\n# why\nnot ok 2 b\n# RUN c\n# x\nok 3 c\n'
result "figures are told, and are no diagnosis" "R seed: 7 D # why" \
	"$(printf '1..1\nnot ok 1 a\n# report: seed: 7\n# why\n' | "$scripts/tap" |
		grep '^[RD]' | xargs)"

report()
{
	rm -rf "$work/jobs"
	"$scripts/run-jobs" "$work/jobs" >"$work/run" 2>&1
	"$scripts/report" "$work/jobs" >"$work/report" 2>&1
	echo "$? $(tail -n 1 "$work/report")"
}

result "all passed: exit code 0" "0 3 passed, 0 failed, 0 skipped" "$(report <<'END'
one 10 printf '1..1\nok 1\n'
two 10 printf '1..2\nok 1\nok 2\n'
END
)"
result "one failed: exit code 1" "1 1 passed, 1 failed, 1 skipped" "$(report <<'END'
one 10 printf '1..1\nok 1\n'
two 10 printf '1..2\nnot ok 1 this one\n# because\nok 2 # SKIP x\n'; echo its stderr >&2; exit 1
END
)"
result "the failed test, its diagnosis and its stderr are shown" "3" \
	"$(grep -cE 'not ok 1 this one|# because|its stderr' "$work/report")"
result "a job beyond its time limit" "1 2 passed, 2 failed, 0 skipped" "$(report <<'END'
slow 1 printf '1..2\nok 1\n'; sleep 60
other 10 printf '1..1\nok 1\n'
END
)"
mkdir "$work/kernels"
"$scripts/run-jobs" "$work/kernels" >/dev/null <<'END'
virt-6.1-arm64/one 10 printf '1..1\nok 1\n'
virt-6.1-arm64/two 10 printf '1..2\nok 1\nok 2 # SKIP x\n'
versal-6.1-arm64/one 10 printf '1..1\nnot ok 1\n'; exit 1
host/other 10 printf '1..1\nok 1\n'
END
result "the matrix of kernels" "arm64 | 2, 1 skipped | - | 0, **1 failed** | - |" \
	"$("$scripts/report" -m "$work/kernels" | sed -n 's/^| [^|]* | arm64/arm64/p')"
result "nothing ran: exit code 1" "1 0 passed, 0 failed, 0 skipped" "$(report </dev/null)"
result "only skips: exit code 0" "0 0 passed, 0 failed, 1 skipped" "$(report <<'END'
one 10 echo '1..0 # SKIP nothing here'
END
)"
mkdir "$work/cut"
echo cut >"$work/cut/000.cut.name"
printf '1..1\nok 1\n' >"$work/cut/000.cut.out"
result "a job that left no exit code failed" "1 passed, 1 failed, 0 skipped" \
	"$("$scripts/report" "$work/cut" | tail -n 1)"

"$scripts/run-jobs" "$work/part/test" >/dev/null <<'END'
one 10 printf '1..1\n# report: seed: 7\nok 1 - a\n'
two 10 printf '1..2\nok 1\nnot ok 2 b <&> "c" \033\377\n# why\n'; echo '</stderr>' >&2; exit 1
END
echo 12 >"$work/part/seconds"
"$scripts/report" -o "$work/result" "$work/part/test" >"$work/report"
result "the file has what ran, and for how long" "12 part part|1 0 0 one|1 1 0 two" \
	"$(sed -n '/seconds$/,/ two$/p' "$work/result" | sed '1d; s/ [0-9]* *\([a-z]*\)$/ \1/' |
		xargs -L 1 | paste -s -d '|')"
result "its last lines are what was shown" "" \
	"$(tail -n "$(wc -l <"$work/report")" "$work/result" | diff "$work/report" -)"
result "JUnit XML: suites, figures, cases, and what XML cannot hold" \
	'one part 1 0 seed=7 a|two part 2 1 ok 1,not ok 2 b <&> "c" # why' \
	"$(python3 - "$work/result.xml" <<'END'
import sys, xml.etree.ElementTree as xml

suites = []
for s in xml.parse(sys.argv[1]).getroot():
    cases = []
    for c in s.iter("testcase"):
        f = c.find("failure")
        cases.append(c.get("name") if f is None else " ".join((f.get("message") + f.text).split()))
    figures = ["%s=%s" % (p.get("name"), p.get("value")) for p in s.iter("property")]
    heads = [s.get(a) for a in ("name", "package", "tests", "failures")]
    suites.append(" ".join(heads + figures + [",".join(cases)]))
print("|".join(suites))
END
)"
result "a check that scripts/lint does not know" "1 lint: no check 'nonsense'" \
	"$("$scripts/lint" nonsense >"$work/lint" 2>&1; echo $? "$(cat "$work/lint")")"
echo "1..$n"
exit $bad
