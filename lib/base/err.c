#include <bascule/base/err.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>

enum err_code
err_of_errno(int num)
{
	switch (num) {
	case ENOENT: return ERR_NOTFOUND;
	case EEXIST: return ERR_EXISTS;
	case EAGAIN:
	case EBUSY: return ERR_BUSY;
	case ETIMEDOUT:
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case ENETUNREACH: return ERR_TIMEOUT;
	case EACCES:
	case EPERM:
	case EROFS: return ERR_REFUSED;
	case ENOSPC:
	case EDQUOT: return ERR_NOSPACE;
	case EMFILE:
	case ENFILE:
	case ENOMEM: return ERR_NOMEM;
	default: return ERR_IO;
	}
}

enum err_code
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return code;
}

static void
append(struct err *e, const char *text)
{
	size_t used = strlen(e->text);

	snprintf(e->text + used, sizeof(e->text) - used, "%s", text);
}

enum err_code
err_sys(struct err *e, const char *fmt, ...)
{
	int num = errno;
	va_list ap;

	e->code = err_of_errno(num);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text) - 80, fmt, ap);
	va_end(ap);
	append(e, ": ");
	append(e, strerror(num));
	return e->code;
}

enum err_code
err_nomem(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

enum err_code
err_wrap(struct err *e, const char *fmt, ...)
{
	struct err inner = *e;
	size_t room = sizeof(e->text) - 3;
	size_t cause = strlen(inner.text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	text_elide(e->text, cause + 40 < room ? room - cause : 40);
	append(e, ": ");
	append(e, inner.text);
	return e->code;
}

enum err_code
err_hint(struct err *e, const char *fmt, ...)
{
	char hint[ERR_TEXT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(hint, sizeof(hint), fmt, ap);
	va_end(ap);
	append(e, "\nhint: ");
	append(e, hint);
	return e->code;
}

const char *
err_name(enum err_code code)
{
	static const char *const names[] = {"none", "notfound", "exists",
	    "busy", "timeout", "refused", "input", "policy", "key", "corrupt",
	    "toonew", "nospace", "io", "nomem", "cancelled"};

	if ((size_t)code >= sizeof(names) / sizeof(names[0]))
		return "unknown";
	return names[code];
}
