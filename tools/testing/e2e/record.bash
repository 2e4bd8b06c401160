# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What agent and server have done to a chip, told from the server's book, by sql(), and from the
# record of the agent's shim, $record.
#
# shellcheck disable=SC2154 # set by whoever sources this

opened() { grep -c '^wr 9b40[0-9a-f]* 80 ' "$record"; }

# Blocks that change state, seen more than once. (01 may be the same again.)
seen_twice()
{
	sed -nE 's/^wr (9b(02|4[0-4])[0-9a-f]*) .*/\1/p' "$record" | sort | uniq -d | wc -l
}

accepted_twice()
{
	sed -nE 's/^wr (9b(02|4[0-4])[0-9a-f]*) 80 .*/\1/p' "$record" | sort | uniq -d | wc -l
}

# Blocks of any kind seen more often than there are steps with them
seen_beyond()
{
	{
		sql "SELECT 'step ' || lower(hex(block)) FROM step"
		sed -E 's/^(wr|rd) ([0-9a-f]*) .*/seen \2/' "$record"
	} | awk '{ n[$2] += $1 == "step" ? 1 : -1 } END { for (b in n) c += n[b] < 0; print c + 0 }'
}

# State-changing blocks that the chip refused, or whose outcome the driver did not know
not_accepted() { grep '^wr ' "$record" | cut -d' ' -f3 | grep -vc '^80$'; }

alarms() { sql "SELECT count(*) FROM history WHERE event = 'alarm'"; }
