/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stand-in for xl: a test program itself, when it is called with
 * "migrate-receive".  $XLM_FAKE_XL says what it does, one command after the
 * other, separated by ';':
 *   b banner   y ready   g report, 0   f report, 3, and the domain given back
 *   rN read N bytes   z read to the end
 *   eTEXT line on stderr   a arguments on stderr   sN sleep N ms   xN exit N
 *   t ignore SIGTERM   i what it inherited, on stderr   mPATH make that file
 *   v read records of FAKE_XL_RECORD bytes of one value each to the end, exit
 *     1 if one is mixed
 */
#ifndef XLM_TESTS_FAKE_XL_H
#define XLM_TESTS_FAKE_XL_H

#define FAKE_XL_SCRIPT "XLM_FAKE_XL"
#define FAKE_XL_RECORD 4096

/* Returns the exit status. */
int fake_xl(char **argv);

#endif /* XLM_TESTS_FAKE_XL_H */
