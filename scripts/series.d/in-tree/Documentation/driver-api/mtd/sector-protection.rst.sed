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
# By the ioctls, not by the tool; a table's cell keeps its width.
s/, and verbs of ``crtmctl``, which its man page explains\././
/^lock sectors, /{
	s/``crtmctl lock --non-volatile``  /``MTD_ASP_NV_LOCK``                /
	s/``crtmctl unlock$/``MTD_ASP_NV_ERASE``/
}
/^ *--non-volatile``$/d
s/``crtmctl lock --down``  /``MTD_ASP_LOCK_DOWN``    /
s/``crtmctl protect password-mode``  /``MTD_ASP_PASSWORD_MODE``          /
s/^\(\* \*\*[A-Za-z_ ]*\*\*\) (``crtmctl [a-z -]*``)/\1/
s/^\(\* \*\*PMR_NVLB\*\*, \*\*PMR_NV_ERASE\*\*\) (``[a-z-]*``, ``[a-z-]*``):/\1:/
s/never be erased\. \*\*PMR_PMR\*\*$/never be erased. **PMR_PMR**:/
s/^  (``protection-management``): no other/  no other/
s/``crtmctl map``/``MTD_ASP_MAP``/
s/``crtmctl freeze``/``MTD_ASP_FREEZE``/
s/``crtmctl lock --down``/``MTD_ASP_LOCK_DOWN``/
s/``crtmctl lock --non-volatile[^`]*``/``MTD_ASP_NV_LOCK``/
s/``crtmctl unlock --non-volatile``/``MTD_ASP_NV_ERASE``/
s/``crtmctl password program``/``MTD_ASP_PASSWORD_PROGRAM``/
s/``crtmctl password verify``/``MTD_ASP_PASSWORD_VERIFY``/
s/``crtmctl password unlock``/``MTD_ASP_PASSWORD_UNLOCK``/
s/``crtmctl protect password-mode``/``MTD_ASP_PASSWORD_MODE``/
s/ (Debian, with partitions in the device tree)/ (see Documentation\/driver-api\/mtd\/security.rst)/
