# SPDX-License-Identifier: MIT
s,Documentation/uapi\.rst,Documentation/userspace-api/mtd-security.rst,
s/^  The property is not in mainline.* It is heeded/  The property is heeded/
/^``MTD_ASP_S_REGION``/s/, of a chip with the$/, where a chip/
s/^\( *\)reference commands$/\1tells them/
/^The kernel asks a chip with the reference commands/{
	s/with the reference commands/that can tell them/
	s/ its regions, by the unsigned "get$/ its/
}
s/^information" (48): at probe,/regions, by an unsigned question: at probe,/
/^The kernel's locking procedure$/,/^What nobody has tried$/{
	/^What nobody has tried$/!d
}
s/^The emulated chip does what this text says\./This was developed on an emulated chip./
