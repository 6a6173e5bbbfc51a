#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long releases=bookworm timeout=2400
#
# vchan-hostile with every attack that the peer knows, each for its whole time.
ALL=whole exec bash "$(dirname "$0")/vchan-hostile.sh"
