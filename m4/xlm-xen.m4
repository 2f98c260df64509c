# SPDX-License-Identifier: LGPL-2.1-or-later

# XLM_XEN: Xen's libraries, and where their API differs between releases.
# libxlm/hv/ hides the differences; nothing else looks at these macros.
AC_DEFUN([XLM_XEN], [
PKG_CHECK_MODULES([XEN], [xencontrol xenguest xenforeignmemory xenevtchn
    xengnttab xenstore xenlight xentoollog xlutil])

xlm_saved_CPPFLAGS=$CPPFLAGS
xlm_saved_LIBS=$LIBS
CPPFLAGS="$CPPFLAGS $XEN_CFLAGS"
LIBS="$XEN_LIBS $LIBS"

# 4.14: CLEAN and PEEK are ops of xc_shadow_control(); later a call of their
# own.
AC_CHECK_FUNC([xc_logdirty_control],
    [AC_DEFINE([HAVE_XC_LOGDIRTY_CONTROL], [1],
        [log-dirty bitmaps are read by xc_logdirty_control()])])
# 4.14: xc_get_domain_cpu_policy() of libxenctrl instead.
AC_CHECK_FUNC([xc_cpu_policy_init],
    [AC_DEFINE([HAVE_XC_CPU_POLICY_INIT], [1],
        [libxenguest has xc_cpu_policy_*()])])
# 4.20 has it; 4.14 and 4.17 have xc_domain_getinfo(); all have
# xc_domain_getinfolist().
AC_CHECK_FUNC([xc_domain_getinfo_single],
    [AC_DEFINE([HAVE_XC_DOMAIN_GETINFO_SINGLE], [1],
        [libxenctrl has xc_domain_getinfo_single()])])

# A function that links but has other parameters would be found out late.
AC_MSG_CHECKING([whether Xen's headers are as expected])
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
#include <xenctrl.h>
#include <xenguest.h>
#include <xenforeignmemory.h>
#ifdef HAVE_XC_LOGDIRTY_CONTROL
long long (*clean)(xc_interface *, uint32_t, unsigned int,
                   xc_hypercall_buffer_t *, unsigned long, unsigned int,
                   xc_shadow_op_stats_t *) = xc_logdirty_control;
#endif
#ifdef HAVE_XC_CPU_POLICY_INIT
xc_cpu_policy_t *(*policy)(void) = xc_cpu_policy_init;
#endif
int (*list)(xc_interface *, uint32_t, unsigned int, xc_domaininfo_t *) =
    xc_domain_getinfolist;
]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([this Xen release is not known to xlm: see config.log])])

CPPFLAGS=$xlm_saved_CPPFLAGS
LIBS=$xlm_saved_LIBS
])
