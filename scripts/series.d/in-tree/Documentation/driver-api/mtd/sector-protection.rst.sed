# SPDX-License-Identifier: MIT
s,Documentation/uapi\.rst,Documentation/userspace-api/mtd-security.rst,
s/^  The property is not in mainline, and has no binding (YAML) yet\. It is heeded only if$/  The property is heeded only if/
s/^\(``MTD_ASP_S_REGION``         it lies in an A-CRTM protected region\), of a chip with the$/\1, where a chip/
s/^                             reference commands$/                             tells them/
s/^The kernel asks a chip with the reference commands for its regions, by the unsigned "get$/The kernel asks a chip that can tell them for its regions, by an unsigned/
s/^information" (48): at probe,/question: at probe,/
/^The kernel's locking procedure$/,/^What nobody has tried$/{
	/^What nobody has tried$/!d
}
s/^The emulated chip does what this text says\. No real part was ever asked\. Unverified for$/This was developed on an emulated chip; no real part was ever asked. Unverified for/
