/* Digests of policies and plans. */

#include <bascule/job.h>

#include <bascule/crypt.h>
#include <bascule/policy.h>

enum err_code
digest_policy(const struct policy *p, struct id *out, struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	enum err_code rc = policy_canonical(p, &b, e);

	return rc != ERR_NONE ? rc : hash_sha256(b.bytes, b.len_bytes, out, e);
}

enum err_code
digest_plan(const struct policy_service *s, struct id *out, struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	enum err_code rc = policy_canonical_plan(s, &b, e);

	return rc != ERR_NONE ? rc : hash_sha256(b.bytes, b.len_bytes, out, e);
}
