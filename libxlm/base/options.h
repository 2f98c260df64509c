/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef XLM_BASE_OPTIONS_H
#define XLM_BASE_OPTIONS_H

#include "libxlm.h"

/*
 * Bring a caller's options to our size, by the rule of openat2(2): a shorter
 * struct is padded with zeroes, a longer one is taken if the part that we do
 * not know is all zero.  src NULL means all defaults.  Strings stay borrowed.
 *
 * Errors: INVAL (size not set, or an unknown option set).
 */
int xlm__options_copy(struct xlm_options *dst, const struct xlm_options *src);

/*
 * The same for a struct that the caller wants filled: copies as much of ours
 * as theirs has room for, keeps theirs' size, zeroes what we do not know.
 *
 * Errors: INVAL (size not set).
 */
int xlm__stats_copy(struct xlm_stats *dst, const struct xlm_stats *src);

#endif /* XLM_BASE_OPTIONS_H */
