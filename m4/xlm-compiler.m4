# SPDX-License-Identifier: LGPL-2.1-or-later

# XLM_COMPILER_FLAGS: warnings, and --enable-werror, into XLM_CFLAGS.
AC_DEFUN([XLM_COMPILER_FLAGS], [
XLM_CFLAGS='-std=gnu11 -fvisibility=hidden -Wall -Wextra -Wshadow -Wvla'
XLM_CFLAGS="$XLM_CFLAGS -Wmissing-prototypes"
AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [warnings are errors])],
    [], [enable_werror=no])
AS_IF([test "$enable_werror" = yes], [XLM_CFLAGS="$XLM_CFLAGS -Werror"])
AC_SUBST([XLM_CFLAGS])
])

# XLM_SANITIZERS: --enable-sanitizers=LIST, into XLM_SAN_FLAGS.
# A sanitizer's run time is in the program, not in the library, so a sanitized
# library has undefined symbols; XLM_DEFS_FLAGS forbids them otherwise.
AC_DEFUN([XLM_SANITIZERS], [
AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers=LIST],
        [compiler sanitizers: address,undefined or thread])],
    [], [enable_sanitizers=no])
XLM_SAN_FLAGS=
XLM_DEFS_FLAGS=-Wl,-z,defs
AS_CASE([$enable_sanitizers],
    [no], [],
    [yes], [AC_MSG_ERROR([--enable-sanitizers needs a list])],
    [XLM_SAN_FLAGS="-fsanitize=$enable_sanitizers -fno-omit-frame-pointer"
     XLM_SAN_FLAGS="$XLM_SAN_FLAGS -fno-sanitize-recover=all"
     XLM_DEFS_FLAGS=
     AC_MSG_CHECKING([whether $CC can link with $XLM_SAN_FLAGS])
     xlm_saved_CFLAGS=$CFLAGS
     CFLAGS="$CFLAGS $XLM_SAN_FLAGS"
     AC_LINK_IFELSE([AC_LANG_PROGRAM()],
         [AC_MSG_RESULT([yes])],
         [AC_MSG_RESULT([no])
          AC_MSG_ERROR([no run time for --enable-sanitizers=$enable_sanitizers])])
     CFLAGS=$xlm_saved_CFLAGS])
AC_SUBST([XLM_SAN_FLAGS])
AC_SUBST([XLM_DEFS_FLAGS])
])

# XLM_CONFINEMENT: --disable-confinement, into XLM_CONFINE.  After
# XLM_SANITIZERS, whose run times make system calls of their own at any time.
AC_DEFUN([XLM_CONFINEMENT], [
AC_ARG_ENABLE([confinement],
    [AS_HELP_STRING([--disable-confinement],
        [let the threads that read what a peer sends make any system call
         (implied by --enable-sanitizers)])],
    [], [enable_confinement=yes])
AC_MSG_CHECKING([whether to confine threads that read what a peer sends])
AS_IF([test "$enable_sanitizers" != no], [enable_confinement=no])
AC_MSG_RESULT([$enable_confinement])
AS_IF([test "$enable_confinement" = yes], [xlm_confine=1], [xlm_confine=0])
AC_DEFINE_UNQUOTED([XLM_CONFINE], [$xlm_confine],
    [threads that read what a peer sends are confined (engine/confine.h)])
])
