#ifndef POLICY_CHECK_PARTS_H
#define POLICY_CHECK_PARTS_H

/* The checks, a unit each; policy_check_all calls them. */

#include "policy_check.h"

void policy_check_places(struct policy_check_run *run);
void policy_check_places_own(struct policy_check_run *run);
void policy_check_service(struct policy_check_run *run,
    const struct policy_service *s, const struct policy_check_names *sites);
void policy_check_plan(struct policy_check_run *run,
    const struct policy_service *s);
/* host_at and sites of a service; and who the people are. */
void policy_check_sites(struct policy_check_run *run,
    const struct policy_service *s);
void policy_check_sites_people(struct policy_check_run *run,
    const struct policy_check_names *councils);
void policy_check_time(struct policy_check_run *run,
    const struct policy_service *s);

#endif
