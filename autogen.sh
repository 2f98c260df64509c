#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Make ./configure from configure.ac.  Needed in a git checkout only.
set -eu
cd "$(dirname "$0")"
exec autoreconf --install --warnings=all "$@"
