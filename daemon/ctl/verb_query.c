/* SPDX-FileCopyrightText: The xendmd authors
 * SPDX-License-Identifier: LGPL-2.1-or-later */
/* dmctl query and balloon. */
#include <inttypes.h>

#include "lib/json.h"
#include "lib/limits.h"
#include "lib/parse.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/print.h"

static struct json_object *domain_parameter(const struct ctl_options *options)
{
	struct json_object *parameters = json_object_new_object();

	json_object_object_add(parameters, "domain", json_object_new_string(options->args[0]));
	return parameters;
}

int verb_query(const struct ctl_options *options)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *parameters = domain_parameter(options);
	int r;

	json_object_object_add(parameters, "what", json_object_new_string(options->args[1]));
	r = ctl_call(options, "Query", parameters, CTL_NO_TIMEOUT, &reply);
	if (r == CTL_DONE) {
		print_json(json_object_object_get(reply, "return"));
	}
	return r;
}

static void tell_balloon(struct json_object *answer)
{
	struct json_object *actual;

	if (json_object_is_type(answer, json_type_object) &&
		json_object_object_get_ex(answer, "actual", &actual)) {
		printf("the guest has %" PRId64 " MiB\n", json_object_get_int64(actual) >> 20);
	}
}

int verb_balloon(const struct ctl_options *options)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *parameters;
	uint64_t mib;
	int r;

	if (parse_u64(options->args[1], LIMIT_BALLOON_MIB, &mib) < 0 || mib == 0) {
		return ctl_fail(CTL_USAGE, "the size is a number of MiB, 1 to %" PRId64,
			(int64_t)LIMIT_BALLOON_MIB);
	}
	parameters = domain_parameter(options);
	json_object_object_add(parameters, "mib", json_object_new_int64((int64_t)mib));
	r = ctl_call(options, "Balloon", parameters, CTL_NO_TIMEOUT, &reply);
	if (r == CTL_DONE && options->json) {
		print_json(reply);
	} else if (r == CTL_DONE) {
		tell_balloon(json_object_object_get(reply, "return"));
	}
	return r;
}
