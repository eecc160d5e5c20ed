#include <bascule/http.h>

#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include <bascule/base/now.h>

#define TIMEOUT_NS     (10 * NS_PER_S)
#define ANSWER_BYTES   ((size_t)1 << 20)
#define ADDRESS_BYTES  2048
#define BASES_MAX      16
#define ERROR_OF_BYTES 160 /* of one address, in the error about many */

struct http {
	CURL *curl;
	struct curl_slist *fields;
	struct http_options opt; /* its texts are copies */
	char *ca_file, *cert_file, *key_file;
	char why[CURL_ERROR_SIZE];
	size_t head_bytes;
	bool is_too_long; /* the answer: we hung up */
};

void
http_answer_fini(struct http_answer *a)
{
	buf_fini(&a->body);
	*a = (struct http_answer){0};
}

/* --- making and ending ---------------------------------------------------- */

static enum err_code
copy_file(char **out, const char *name, struct err *e)
{
	*out = NULL;
	if (name == NULL || *name == '\0')
		return ERR_NONE;
	if (access(name, R_OK) != 0)
		return err_sys(e, "cannot read '%s'", name);
	*out = strdup(name);
	return *out == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code
copy_files(struct http *h, const struct http_options *opt, struct err *e)
{
	enum err_code rc = copy_file(&h->ca_file, opt->ca_file, e);

	if (rc == ERR_NONE)
		rc = copy_file(&h->cert_file, opt->cert_file, e);
	if (rc == ERR_NONE)
		rc = copy_file(&h->key_file, opt->key_file, e);
	if (rc == ERR_NONE && (h->cert_file == NULL) != (h->key_file == NULL))
		rc = err_set(e, ERR_INPUT,
		    "a client certificate needs its key, and a key its "
		    "certificate");
	return rc;
}

enum err_code
http_new(struct http **out, const struct http_options *opt, struct err *e)
{
	OWNED(http_free) struct http *h = calloc(1, sizeof(*h));
	enum err_code rc;

	*out = NULL;
	if (h == NULL)
		return err_nomem(e);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free_mem(&h);
		return err_set(e, ERR_IO, "libcurl cannot be used");
	}
	h->opt = *opt;
	h->opt.ca_file = h->opt.cert_file = h->opt.key_file = NULL;
	if (h->opt.timeout_ns == 0)
		h->opt.timeout_ns = TIMEOUT_NS;
	if (h->opt.answer_bytes_max == 0)
		h->opt.answer_bytes_max = ANSWER_BYTES;
	rc = copy_files(h, opt, e);
	if (rc != ERR_NONE)
		return rc;
	h->curl = curl_easy_init();
	h->fields = curl_slist_append(NULL, "Content-Type: application/json");
	if (h->curl == NULL || h->fields == NULL)
		return err_nomem(e);
	*out = TAKE(h);
	return ERR_NONE;
}

void
http_free(struct http **hp)
{
	struct http *h = TAKE(*hp);

	if (h == NULL)
		return;
	if (h->curl != NULL)
		curl_easy_cleanup(h->curl);
	curl_slist_free_all(h->fields);
	free(h->ca_file);
	free(h->cert_file);
	free(h->key_file);
	free(h);
	curl_global_cleanup();
}

/* --- what comes ------------------------------------------------------------ */

struct taking {
	struct http *h;
	struct buf *body;
};

static size_t
on_head(char *bytes, size_t size, size_t count, void *ctx)
{
	struct http *h = ((struct taking *)ctx)->h;

	(void)bytes;
	h->head_bytes += size * count;
	h->is_too_long = h->is_too_long || h->head_bytes > HTTP_HEAD_BYTES_MAX;
	return h->is_too_long ? 0 : size * count;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct taking *t = ctx;
	struct err e;

	if (buf_add(t->body, bytes, size * count, &e) == ERR_NONE)
		return size * count;
	t->h->is_too_long = e.code == ERR_INPUT;
	return 0;
}

static int
on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct http *h = ctx;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return h->opt.cancel != NULL && *h->opt.cancel != 0;
}

/* --- asking ---------------------------------------------------------------- */

/* The code is the first that failed; what curl cannot do is out of memory. */
static CURLcode
set_tls(struct http *h)
{
	CURL *c = h->curl;
	CURLcode rc = curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);

	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_SSLVERSION,
		    (long)CURL_SSLVERSION_TLSv1_2);
	if (rc == CURLE_OK && h->ca_file != NULL) {
		rc = curl_easy_setopt(c, CURLOPT_CAINFO, h->ca_file);
		/* that one authority, not the system's beside it */
		if (rc == CURLE_OK)
			rc = curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	}
	if (rc == CURLE_OK && h->cert_file != NULL)
		rc = curl_easy_setopt(c, CURLOPT_SSLCERT, h->cert_file);
	if (rc == CURLE_OK && h->key_file != NULL)
		rc = curl_easy_setopt(c, CURLOPT_SSLKEY, h->key_file);
	return rc;
}

static CURLcode
set_limits(struct http *h)
{
	long ms = (long)((h->opt.timeout_ns + NS_PER_MS - 1) / NS_PER_MS);
	CURL *c = h->curl;
	CURLcode rc = curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, ms);

	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, ms);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_PROXY, "");
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_HTTP_VERSION,
		    (long)CURL_HTTP_VERSION_1_1);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
	return rc;
}

static CURLcode
set_request(struct http *h, const char *address, const struct buf *json,
    struct taking *t)
{
	CURL *c = h->curl;
	CURLcode rc = curl_easy_setopt(c, CURLOPT_URL, address);

	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->why);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_USERAGENT, "bascule");
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_HTTPHEADER, h->fields);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)json->len_bytes);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_POSTFIELDS,
		    json->bytes == NULL ? (const void *)"" : json->bytes);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_head);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	return rc;
}

/* In doubt it was (HT3). */
static bool
was_sent(struct http *h, CURLcode rc)
{
	long sent_bytes = 1;

	if (rc == CURLE_COULDNT_CONNECT || rc == CURLE_SSL_CONNECT_ERROR)
		return false;
	if (curl_easy_getinfo(h->curl, CURLINFO_REQUEST_SIZE, &sent_bytes) !=
	    CURLE_OK)
		return true;
	return sent_bytes > 0;
}

static enum err_code
failed(struct http *h, CURLcode rc, const char *base, struct err *e)
{
	const char *why = h->why[0] != '\0' ? h->why : curl_easy_strerror(rc);

	if (h->is_too_long)
		return err_set(e, ERR_INPUT,
		    "'%s' answers with more than anybody asked for", base);
	switch (rc) {
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(e, ERR_TIMEOUT, "'%s' gives no answer in time",
		    base);
	case CURLE_ABORTED_BY_CALLBACK:
		return err_set(e, ERR_CANCELLED, "asking '%s' was stopped",
		    base);
	case CURLE_PEER_FAILED_VERIFICATION:
		err_set(e, ERR_REFUSED, "'%s' is not who it should be: %s",
		    base, why);
		return err_hint(e,
		    "check ca_file, and that the certificate names the "
		    "address");
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		err_set(e, ERR_REFUSED, "no TLS with '%s': %s", base, why);
		return err_hint(e, "check ca_file, cert_file and key_file");
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_PARTIAL_FILE:
	case CURLE_BAD_CONTENT_ENCODING:
		return err_set(e, ERR_INPUT, "'%s' makes no sense: %s", base,
		    why);
	case CURLE_OUT_OF_MEMORY: return err_nomem(e);
	default:
		return err_set(e, ERR_IO, "'%s' cannot be asked: %s", base,
		    why);
	}
}

static enum err_code
make_address(char out[ADDRESS_BYTES], const char *base, const char *path,
    struct err *e)
{
	size_t len = strlen(base);
	int n;

	while (len > 0 && base[len - 1] == '/')
		len--;
	n = snprintf(out, ADDRESS_BYTES, "%.*s%s",
	    (int)(len < ADDRESS_BYTES ? len : ADDRESS_BYTES), base, path);
	if (n < 0 || n >= ADDRESS_BYTES)
		return err_set(e, ERR_INPUT, "the address '%s' is too long",
		    base);
	return ERR_NONE;
}

enum err_code
http_post(struct http *h, const char *base, const char *path,
    const struct buf *json, struct http_answer *out, struct err *e)
{
	struct taking t = {h, &out->body};
	char address[ADDRESS_BYTES];
	enum err_code rc;
	CURLcode done;
	long status = 0;

	http_answer_fini(out);
	out->body.max_bytes = h->opt.answer_bytes_max;
	h->why[0] = '\0';
	h->head_bytes = 0;
	h->is_too_long = false;
	rc = make_address(address, base, path, e);
	if (rc != ERR_NONE)
		return rc;
	curl_easy_reset(h->curl);
	done = set_tls(h);
	if (done == CURLE_OK)
		done = set_limits(h);
	if (done == CURLE_OK)
		done = set_request(h, address, json, &t);
	if (done != CURLE_OK)
		return failed(h, done, base, e);
	done = curl_easy_perform(h->curl);
	out->was_sent = was_sent(h, done);
	if (done != CURLE_OK)
		return failed(h, done, base, e);
	done = curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	out->status = (unsigned)status;
	return done == CURLE_OK ? ERR_NONE : failed(h, done, base, e);
}

/* --- several addresses ------------------------------------------------------- */

static void
add_reason(struct err *all, const struct err *one, const char *base,
    unsigned status)
{
	size_t used = strlen(all->text);
	const char *end = strchr(one->text, '\n'); /* not its hint */
	int len = end == NULL ? ERROR_OF_BYTES : (int)(end - one->text);

	if (len > ERROR_OF_BYTES)
		len = ERROR_OF_BYTES;
	if (status > 0)
		snprintf(all->text + used, sizeof(all->text) - used,
		    "%s'%.80s' answers with status %u", used > 0 ? "; " : "",
		    base, status);
	else
		snprintf(all->text + used, sizeof(all->text) - used, "%s%.*s",
		    used > 0 ? "; " : "", len, one->text);
}

enum err_code
http_post_any(struct http *h, const char *const *bases, size_t count,
    size_t *at, enum http_again again, const char *path, const struct buf *json,
    struct http_answer *out, struct err *e)
{
	struct err all = {ERR_IO, ""};
	enum err_code rc = ERR_IO;
	bool sent = false;

	http_answer_fini(out);
	if (count == 0 || count > BASES_MAX)
		return err_set(e, ERR_INPUT, "%zu addresses to ask", count);
	for (size_t i = 0; i < count; i++) {
		size_t which = (*at + i) % count;

		rc = http_post(h, bases[which], path, json, out, e);
		sent = sent || out->was_sent;
		out->was_sent = sent;
		if (rc == ERR_NONE && out->status < 500) {
			*at = which;
			return ERR_NONE;
		}
		if (rc == ERR_CANCELLED || rc == ERR_NOMEM)
			return rc;
		if (rc != ERR_NONE && all.code == ERR_IO)
			all.code = rc;
		add_reason(&all, e, bases[which],
		    rc == ERR_NONE ? out->status : 0);
		if (sent && again == HTTP_IF_NOT_SENT)
			break;
	}
	return err_set(e, all.code, "%s", all.text);
}
