# SPDX-License-Identifier: LGPL-2.1-or-later

# XLM_CFLAG(VARIABLE, FLAG): append FLAG if the compiler takes it.  -Werror
# because clang only warns about an option it does not know.
AC_DEFUN([XLM_CFLAG], [
    AC_MSG_CHECKING([whether $CC accepts $2])
    xlm_saved_cflags=$CFLAGS
    CFLAGS="$CFLAGS -Werror $2"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
        [AC_MSG_RESULT([yes])
         AS_VAR_APPEND([$1], [" $2"])],
        [AC_MSG_RESULT([no])])
    CFLAGS=$xlm_saved_cflags
])
