# SPDX-License-Identifier: MIT
s,Documentation/sector-protection\.rst,Documentation/driver-api/mtd/sector-protection.rst,
s,Documentation/uapi\.rst,Documentation/userspace-api/mtd-security.rst,
s/^\(The kernel itself makes one block, on chips that have sector protection and\) the$/\1 commands/
s/^reference commands: the unsigned "get information" (48), to learn what the protected$/that tell them: an unsigned question, to learn what the protected/
s/^\* The A-CRTM commands: only on a chip with the reference marker (the emulated one),$/* Commands of a vendor's own (Micron's A-CRTM): only where the driver has a table of/
s/^  or in a build with a header of your own .*$/  them./
