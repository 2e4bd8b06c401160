# SPDX-License-Identifier: MIT
s,Documentation/sector-protection\.rst,Documentation/driver-api/mtd/sector-protection.rst,
s,Documentation/uapi\.rst,Documentation/userspace-api/mtd-security.rst,
/^The kernel itself makes one block/s/ the$/ commands/
/^reference commands: the unsigned/{
	s/^reference commands: the unsigned/that tell them: an unsigned/
	s/"get information" (48)/question/
}
/^\* The A-CRTM commands: only on a chip with the reference marker/{
	s/^.*$/* Commands of a vendor's own (Micron's A-CRTM): only where the driver has a table of/
}
s/^  or in a build with a header of your own .*$/  them./
/^\* Debian builds without/s/.*``MTD_PARTITIONED_MASTER``:/* Without ``MTD_PARTITIONED_MASTER``,/
s/: see :doc:`controllers`\././
