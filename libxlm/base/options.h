/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The caller's struct xlm_options, made ours: padded by the rule of openat2(2),
 * checked, defaults filled in, strings duplicated.
 */
#ifndef XLM_BASE_OPTIONS_H
#define XLM_BASE_OPTIONS_H

#include "libxlm.h"

#define XLM__MAX_ROUNDS_DEFAULT         30u
#define XLM__MAX_ROUNDS_MAX             1000u
#define XLM__SUSPEND_TIMEOUT_MS_DEFAULT 60000u
#define XLM__DATA_CHANNELS_MAX          64u /* stream-format.md, OFFER */
#define XLM__RECONNECT_MS_DEFAULT       30000u
#define XLM__RECONNECT_MS_MAX           3600000u /* stream-format.md, BUILD */
#define XLM__COMPRESS_LEVEL_MIN         (-5)
#define XLM__COMPRESS_LEVEL_MAX         9
#define XLM__COMPRESS_LEVEL_DEFAULT     1
#define XLM__DELTA_MIB_DEFAULT          64u
#define XLM__DELTA_MIB_MAX              65536u
#define XLM__FLAGS_ALL                                                         \
    (XLM_F_DRY_RUN | XLM_F_LEAVE_PAUSED | XLM_F_ALLOW_PAUSE |                  \
     XLM_F_UNPAUSE_TO_SUSPEND | XLM_F_NO_MONITOR | XLM_F_KEEP_DOMID |          \
     XLM_F_DEBUG | XLM_F_NO_PREBUILD | XLM_F_EXEMPT_LAST_ROUND |               \
     XLM_F_ESTIMATE | XLM_F_VERIFY | XLM_F_GUEST_GAP | XLM_F_KTLS)

/*
 * src may be NULL: all defaults.  On success dst is to be freed by
 * xlm__options_free(); on failure there is nothing in it.  message_out (of
 * XLM_MESSAGE_MAX bytes, may be NULL) says which field is wrong.  Descriptors
 * stay the caller's.
 *
 * Errors: INVAL, NOMEM.
 */
int xlm__options_copy(struct xlm_options *dst, const struct xlm_options *src,
                      enum xlm_role role, char *message_out);
/* Safe on a zeroed or freed struct. */
void xlm__options_free(struct xlm_options *opt);

#endif /* XLM_BASE_OPTIONS_H */
