# SPDX-License-Identifier: MIT
FILESEXTRAPATHS:prepend := "${THISDIR}/files:"

def mtd_crtm_patches(d):
    import os
    folder = os.path.join(d.getVar("MTD_CRTM_LAYER"), "files", "mtd-crtm")
    return " ".join("file://mtd-crtm/" + name for name in sorted(os.listdir(folder)))

MTD_CRTM_LAYER := "${THISDIR}"
SRC_URI += "${@mtd_crtm_patches(d)}"
