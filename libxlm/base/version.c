/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "base/version.h"

unsigned xlm_version(void)
{
    return XLM_VERSION;
}

const char *xlm__version_text(void)
{
    return PACKAGE_VERSION;
}

const char *xlm_strerror(int code)
{
    switch (code) {
    case XLM_OK:
        return "success";
#define XLM_ERROR_CASE(name, value, text)                                      \
    case XLM_ERR_##name:                                                       \
        return text;
        XLM_ERROR_MAP(XLM_ERROR_CASE)
#undef XLM_ERROR_CASE
    }
    return "unknown error";
}

const char *xlm__error_name(int code)
{
    switch (code) {
    case XLM_OK:
        return "OK";
#define XLM_ERROR_CASE(name, value, text)                                      \
    case XLM_ERR_##name:                                                       \
        return #name;
        XLM_ERROR_MAP(XLM_ERROR_CASE)
#undef XLM_ERROR_CASE
    }
    return "UNKNOWN";
}

const char *xlm_state_name(enum xlm_state state)
{
    switch (state) {
    case XLM_STATE_NEW:
        return "new";
    case XLM_STATE_NEGOTIATING:
        return "negotiating";
    case XLM_STATE_PRECOPY:
        return "precopy";
    case XLM_STATE_SWITCHOVER:
        return "switchover";
    case XLM_STATE_POSTCOPY:
        return "postcopy";
    case XLM_STATE_COMPLETED:
        return "completed";
    case XLM_STATE_FAILED:
        return "failed";
    case XLM_STATE_CANCELLED:
        return "cancelled";
    }
    return "unknown";
}
