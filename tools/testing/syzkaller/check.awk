#!/usr/bin/awk -f
# SPDX-License-Identifier: MIT
#
# Read descriptions in the part of syzkaller's language that dev_mtd_security.txt uses, and write
# a C program whose assertions hold if they say what the headers say: every member of the
# structures of the ioctls, every constant, and the length of every command's block. Stops at what
# it cannot read.

function stop(text)
{
	print FILENAME ":" FNR ": " text >"/dev/stderr"
	bad = 1
	exit 1
}

# What stands between the brackets of a type
function inside(type)
{
	sub(/^[a-z0-9_]+\[/, "", type)
	sub(/\]$/, "", type)
	return type
}

# least and most bytes of a type, in low[] and high[] by its text
function measure(type,	inner, n, parts, range)
{
	if (type in low)
		return
	if (match(type, /^int(8|16|32|64)(be)?(\[|$)/)) {
		n = substr(type, 4) + 0
		low[type] = high[type] = n / 8
	} else if (type ~ /^ptr64\[/) {
		low[type] = high[type] = 8
	} else if (type == "void") {
		low[type] = high[type] = 0
	} else if (type ~ /^(const|flags|len|bytesize)\[.*, int(8|16|32|64)(be)?\]$/) {
		inner = inside(type)
		if (type ~ /^const/)
			constant(substr(inner, 1, index(inner, ",") - 1))
		else if (type ~ /^flags/)
			used[substr(inner, 1, index(inner, ",") - 1)] = FNR
		sub(/.*, /, "", inner)
		measure(inner)
		low[type] = low[inner]
		high[type] = high[inner]
	} else if (type ~ /^string\[[a-z_]+, [0-9]+\]$/) {
		inner = inside(type)
		used[substr(inner, 1, index(inner, ",") - 1)] = FNR
		sub(/.*, /, "", inner)
		low[type] = high[type] = inner + 0
	} else if (type ~ /^array\[.*, [0-9]+(:[0-9]+)?\]$/) {
		inner = inside(type)
		range = inner
		sub(/.*, /, "", range)
		sub(/, [0-9:]+$/, "", inner)
		measure(inner)
		n = split(range, parts, ":")
		low[type] = low[inner] * parts[1]
		high[type] = high[inner] * parts[n]
	} else {
		stop("no such type: " type)
	}
}

function constant(name)
{
	if (name ~ /^[A-Z]/)
		print "_Static_assert((" name ") + 1, \"\");"
	else if (name !~ /^[0-9]/)
		stop("no constant: " name)
}

# One of the structures of the ioctls, which are laid out as C does
function member(name, type,	inner)
{
	measure(type)
	printf "_Static_assert(offsetof(struct %s, %s) == %d, \"\");\n", block, name, size
	printf "_Static_assert(sizeof(((struct %s *)0)->%s) == %d, \"\");\n", block, name,
		low[type]
	if (low[type] != high[type])
		stop("its size varies: " name)
	size += low[type]
}

BEGIN {
	FS = "\t"
	print "#include <stddef.h>"
	print "#include <fcntl.h>"
	print "#include <mtd/mtd-abi.h>"
}

/^#/ || /^$/ { next }

/^include </ {
	if ($0 !~ /fcntl/) {
		sub(/<uapi\//, "<")
		print "#" $0
	}
	next
}

/^resource [a-z_]+\[fd\]$/ { next }

# a list of numbers or of strings
/^[a-z_]+ = / {
	list = $0
	sub(/ = .*/, "", list)
	lists[list] = 1
	values = $0
	sub(/^[a-z_]+ = /, "", values)
	n = split(values, value, ", ")
	for (i = 1; i <= n; i++)
		if (value[i] ~ /^"/)
			print "_Static_assert(sizeof(" value[i] ") <= MTD_ASP_CONFIRM_LEN, \"\");"
		else
			constant(value[i])
	# every command has its number, and every confirmation is there
	if (list == "mtd_asp_commands")
		print "#define IS(_nr, ...) _Static_assert(_nr < " n ", \"\");\nASP_COMMANDS(IS)"
	next
}

/^syz_open_dev\$[a-z_]+\(dev ptr\[in, string\["\/dev\/mtd#(ro)?"\]\], .*\) fd_mtd_security$/ {
	next
}

/^ioctl\$/ {
	if (!match($0, /const\[[A-Z_]+\], arg ptr\[(in|inout), [a-z_]+\]\)$/))
		stop("no ioctl: " $0)
	text = substr($0, RSTART, RLENGTH)
	constant(substr(text, 7, index(text, "]") - 7))
	sub(/.*, /, "", text)
	sub(/\]\)$/, "", text)
	used[text] = FNR
	next
}

/^type mtd_block\[TYPE, BODY\] \{$/ { block = "mtd_block"; size = 0; next }

/^[a-z_]+ [{[]$/ {
	block = $0
	sub(/ .*/, "", block)
	size = 0
	most = 0
	next
}

/^\t/ && block == "mtd_block" {
	if ($3 != "BODY") {
		sub(/TYPE/, "0", $3)
		measure($3)
		size += low[$3]
	}
	next
}

/^\t/ && block == "mtd_crtm_block" {
	if ($3 ~ /^mtd_block\[[A-Z_]+, .*\]$/) {
		body = inside($3)
		type = substr(body, 1, index(body, ",") - 1)
		constant(type)
		sub(/^[A-Z_]+, /, "", body)
		bodies[type] = body
	} else {
		measure($3)
	}
	next
}

/^\t/ && block ~ /^mtd_block_/ {
	measure($3)
	size += low[$3]
	most += high[$3]
	next
}

/^\t/ && (block ~ /^mtd_(crtm|asp)_/) { member($2, $3); next }

/^\t/ && block == "mtd_security_range" { measure($3); next }

/^[]}]/ && block != "" {
	if (block ~ /^mtd_(crtm_(cmd|entry|info)|asp_(map|cmd))$/)
		print "_Static_assert(sizeof(struct " block ") == " size ", \"" block "\");"
	lists[block] = 1
	low[block] = size
	high[block] = block ~ /^mtd_block_/ ? most : size
	block = ""
	next
}

{ stop("cannot read: " $0) }

END {
	if (bad)
		exit 1
	for (name in used)
		if (!(name in lists)) {
			print "nothing is called " name >"/dev/stderr"
			exit 1
		}
	# every command of the tables, with its lengths
	for (type in bodies) {
		measure(bodies[type])
		printf "enum { LOW_%s = %d, HIGH_%s = %d };\n", type,
			low["mtd_block"] + low[bodies[type]], type,
			low["mtd_block"] + high[bodies[type]]
	}
	print "#define FITS(_type, _min, _max) \\"
	print "\t_Static_assert(LOW_##_type == _min && HIGH_##_type == _max, \"\");"
	print "#define R(_t, _s, _n, _c, _f, _min, _max, ...) FITS(RPMC_##_s, _min, _max)"
	print "#define C(_t, _s, _n, _c, _f, _min, _max, ...) FITS(CRTM_##_s, _min, _max)"
	print "RPMC_COMMANDS(R)\nCRTM_COMMANDS(C)\nint main(void) { return 0; }"
}
