/* START-HERE.txt: for whoever opens the box on the worst day. */

#include "box.h"

#include <bascule/policy.h>

static enum err_code
say_who_signed(const struct box_options *o, struct buf *out, struct err *e)
{
	char fingerprint[SIGN_FINGERPRINT_SIZE];
	enum err_code rc;

	if (o->signer == NULL)
		return buf_printf(out, e,
		    "    NOBODY has signed this box: what it says is as good "
		    "as the hands it went\n    through.\n");
	rc = sign_fingerprint(sign_key_public(o->signer), fingerprint, e);
	return rc != ERR_NONE ? rc
			      : buf_printf(out, e,
				    "    It was signed by %s.\n"
				    "    Compare that with what the other site "
				    "or paper says, not with this file.\n",
				    fingerprint);
}

static enum err_code
say_escrow(const struct policy *p, struct buf *out, struct err *e)
{
	if (p->escrow.holder_count == 0)
		return buf_add_text(out,
		    "    The policy names nobody who keeps shares of the "
		    "escrow key: find the file\n    KEY.escrow that 'init' "
		    "wrote, or the shares made of it.\n",
		    e);
	return buf_printf(out, e,
	    "    %u of %zu people who keep a share each (RUNBOOK.txt, "
	    "\"Escrow\"). Put their shares\n    into files, then:\n"
	    "        ./bascule key combine -o found.key SHARE SHARE\n",
	    p->escrow.threshold, p->escrow.holder_count);
}

enum err_code
box_words_start(const struct box_options *o, struct buf *out, struct err *e)
{
	const struct policy *p = o->policy;
	char when[NOW_TEXT_BYTES];
	enum err_code rc = buf_printf(out, e,
	    "BATTLE BOX of site %s, made %s\n"
	    "policies %.16s..., Bascule %s\n\n"
	    "You need this folder, a copy of a repository, and the key from "
	    "escrow. Neither\nthe network nor anything of the lost site is "
	    "needed.\n\n"
	    "1. Is it whole, and whose is it?\n"
	    "        sha256sum -c SHA256SUMS\n"
	    "        ./bascule box verify FILE.tar --key SHA256:...\n",
	    p->site, now_text(o->made, when), o->digest, BASCULE_VERSION);

	if (rc == ERR_NONE)
		rc = say_who_signed(o, out, e);
	if (rc == ERR_NONE)
		rc = buf_add_text(out, "\n2. The key\n", e);
	if (rc == ERR_NONE)
		rc = say_escrow(p, out, e);
	return rc == ERR_NONE
	    ? buf_add_text(out,
		  "\n3. The data\n"
		  "    Bring a disk with a repository here, or log in to a "
		  "site that has one\n    (RUNBOOK.txt says where they lie), "
		  "and look at what it holds:\n"
		  "        export BASCULE_KEY_FILE=$PWD/found.key\n"
		  "        ./bascule -r REPOSITORY snapshots\n"
		  "        ./bascule -r REPOSITORY check --read\n"
		  "\n4. The services, in the order of RUNBOOK.txt\n"
		  "    Each has the commands that bring back its data, then "
		  "its "
		  "plan, step by step.\n    Before a service is started here, "
		  "be sure that it does not run anywhere else:\n    its fences "
		  "are listed, and what to do where none can be reached.\n"
		  "\n5. What was true until when\n"
		  "    HEADS.txt: how far each site's ledger was signed when "
		  "this box was made.\n    policies/: everything else that was "
		  "decided, as it stood then.\n"
		  "\nRUNBOOK.html is the same as RUNBOOK.txt, for a printer.\n",
		  e)
	    : rc;
}
