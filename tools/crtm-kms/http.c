// SPDX-License-Identifier: MIT
/*
 * The relay protocol of Documentation/relay-protocol.rst: HTTPS with client
 * certificates. One lock around database and token; a request that waits for
 * work holds it only while it looks.
 */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "hex.h"
#include "jsonx.h"
#include "kms.h"

#define MAX_WAIT	60	/* s that a request may wait for work */
#define IDLE_S		90	/* s without traffic before a connection is dropped */
#define CONNECTIONS	256
#define LOOK_MS		100	/* how often to look for another process's commit */
#define MAX_CERT	(1U << 20)

static struct {
	struct kms *kms;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	_Atomic bool started;
	bool stop;
} srv = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A request; @device from the certificate, @body as it comes in. */
struct request {
	char device[NAME_LEN + 1];
	char *body;
	size_t len;
};

static enum MHD_Result reply(struct MHD_Connection *conn, unsigned int code, const char *text)
{
	struct MHD_Response *resp;
	enum MHD_Result ret;

	resp = MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
	if (!resp)
		return MHD_NO;
	if (code != MHD_HTTP_NO_CONTENT)
		MHD_add_response_header(resp, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	ret = MHD_queue_response(conn, code, resp);
	MHD_destroy_response(resp);
	return ret;
}

static enum MHD_Result reply_error(struct MHD_Connection *conn, unsigned int code,
				   const char *why)
{
	json_object *o = json_object_new_object();
	enum MHD_Result ret;

	json_object_object_add(o, "error", json_object_new_string(why));
	ret = reply(conn, code, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
	return ret;
}

/* The CN of a client certificate that the site's CA signed for a client. */
static bool peer_name(struct MHD_Connection *conn, char name[NAME_LEN + 1])
{
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT,
	};
	const union MHD_ConnectionInfo *info;
	unsigned int status, n = 0;
	const gnutls_datum_t *chain;
	size_t len = NAME_LEN + 1;
	gnutls_x509_crt_t crt;
	bool ok;

	info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (!info || gnutls_certificate_verify_peers(info->tls_session, &purpose, 1, &status) ||
	    status)
		return false;
	chain = gnutls_certificate_get_peers(info->tls_session, &n);
	if (!chain || !n || gnutls_x509_crt_init(&crt))
		return false;
	ok = !gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) &&
		!gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name,
					       &len) &&
		strlen(name) == len && valid_name(name);
	gnutls_x509_crt_deinit(crt);
	return ok;
}

static bool enrolled(const char *device)
{
	int64_t id;
	bool ok;

	pthread_mutex_lock(&srv.lock);
	srv.kms->err = false;
	ok = db_int(srv.kms, &id, "SELECT id FROM device WHERE name = ?", "s", device);
	pthread_mutex_unlock(&srv.lock);
	return ok;
}

static struct timespec abs_time(int64_t ms)
{
	return (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

static int64_t mono_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static enum MHD_Result do_next(struct MHD_Connection *conn, const struct request *req)
{
	const char *arg = MHD_lookup_connection_value(conn, MHD_GET_ARGUMENT_KIND, "wait");
	int64_t end = mono_ms(), until, retry;
	char *body = NULL, *rest;
	enum MHD_Result ret;
	struct timespec ts;
	long wait = 0;
	int err;

	if (arg) {
		wait = strtol(arg, &rest, 10);
		if (*arg < '0' || *arg > '9' || *rest || wait > MAX_WAIT)
			return reply_error(conn, MHD_HTTP_BAD_REQUEST, "wait is 0 to 60 seconds");
	}
	end += wait * 1000;
	pthread_mutex_lock(&srv.lock);
	for (;;) {
		err = engine_next(srv.kms, req->device, &body, &retry);
		if (err || body || srv.stop || mono_ms() >= end)
			break;
		until = end;
		if (retry && mono_ms() + (retry - now_ms()) < until)
			until = mono_ms() + (retry - now_ms());
		ts = abs_time(until);
		pthread_cond_timedwait(&srv.wake, &srv.lock, &ts);
	}
	pthread_mutex_unlock(&srv.lock);
	if (err)
		return reply_error(conn, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal error");
	if (!body)
		return reply(conn, MHD_HTTP_NO_CONTENT, "");
	ret = reply(conn, MHD_HTTP_OK, body);
	free(body);
	return ret;
}

/* One element of "results". @buf holds the response's bytes. */
static const char *read_result(json_object *o, struct result *r, uint8_t buf[MAX_RESPONSE])
{
	int64_t status;

	if (!json_object_is_type(o, json_type_object))
		return "a result is an object";
	memset(r, 0, sizeof(*r));
	r->outcome = jsonx_str(o, "outcome", 16);
	if (!jsonx_int64(o, "step", 0, INT64_MAX, &r->step))
		return "step is missing";
	if (!r->outcome)
		return "outcome is missing";
	if (!strcmp(r->outcome, "answered")) {
		if (!jsonx_int64(o, "status", 0, 255, &status))
			return "status is missing";
		if (!jsonx_hex(o, "response", buf, MAX_RESPONSE, &r->response_len) ||
		    !r->response_len)
			return "response is missing or too long";
		r->status = status;
		r->response = buf;
		return NULL;
	}
	if (strcmp(r->outcome, "unknown") && strcmp(r->outcome, "unsent"))
		return "no such outcome";
	r->error = jsonx_str(o, "error", 31);
	return r->error ? NULL : "error is missing";
}

static enum MHD_Result do_results(struct MHD_Connection *conn, const struct request *req,
				  json_object *in)
{
	uint8_t buf[MAX_STEPS][MAX_RESPONSE];
	struct result results[MAX_STEPS];
	const char *why = NULL;
	int64_t job, bad = 0;
	json_object *list;
	char text[64];
	size_t i, nr;
	int code;

	list = jsonx_array(in, "results", 1, MAX_STEPS);
	if (!list || !jsonx_int64(in, "job", 1, INT64_MAX, &job))
		return reply_error(conn, MHD_HTTP_BAD_REQUEST, "job or results is missing");
	nr = json_object_array_length(list);
	for (i = 0; i < nr && !why; i++)
		why = read_result(json_object_array_get_idx(list, i), &results[i], buf[i]);
	if (why)
		return reply_error(conn, MHD_HTTP_BAD_REQUEST, why);
	pthread_mutex_lock(&srv.lock);
	code = engine_results(srv.kms, req->device, job, results, nr, &bad);
	pthread_cond_broadcast(&srv.wake);
	pthread_mutex_unlock(&srv.lock);
	if (code == 200)
		return reply(conn, code, "{\"v\":1}");
	if (code == 409) {
		snprintf(text, sizeof(text), "step %" PRId64 " has another outcome", bad);
		return reply_error(conn, code, text);
	}
	return reply_error(conn, code, code == 404 ? "no such job or step" : "internal error");
}

static enum MHD_Result do_hello(struct MHD_Connection *conn, const struct request *req,
				json_object *in)
{
	const char *agent = jsonx_str(in, "agent", 64), *chip = jsonx_str(in, "chip", 64);
	const char *set = jsonx_str(in, "command_set", 128);
	struct kms *kms = srv.kms;
	uint8_t id[16];
	int64_t size, slots, same = 0;
	char now[32], text[80];
	size_t id_len;
	int err;

	if (!agent || !chip || !set || !jsonx_hex(in, "id", id, sizeof(id), &id_len) ||
	    !jsonx_int64(in, "slots", 1, RPMC_MAX_SLOTS, &slots) ||
	    !jsonx_int64(in, "chip_size", 1, UINT32_MAX, &size))
		return reply_error(conn, MHD_HTTP_BAD_REQUEST, "a member is missing or wrong");
	pthread_mutex_lock(&srv.lock);
	db_begin(kms);
	db_int(kms, &same, "SELECT substr(?, 1, length(chip_id)) = chip_id AND size = ? AND"
	       " slots <= ? FROM device WHERE name = ?", "biis", id, id_len, size, slots,
	       req->device);
	if (same)
		db_run(kms, "UPDATE device SET agent = ?, chip = ?, seen = ? WHERE name = ?",
		       "ssis", agent, chip, now_ms(), req->device);
	else
		db_run(kms, "INSERT INTO history (device, at, event, detail) SELECT id, ?, 'alarm',"
		       " 'another chip: ' || ? FROM device WHERE name = ?", "iss", now_ms(), chip,
		       req->device);
	err = db_end(kms);
	pthread_mutex_unlock(&srv.lock);
	if (err)
		return reply_error(conn, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal error");
	if (!same)
		return reply_error(conn, MHD_HTTP_CONFLICT,
				   "not the chip that this device was enrolled with");
	snprintf(text, sizeof(text), "{\"v\":1,\"time\":\"%s\"}", iso_time(now_ms(), now));
	return reply(conn, MHD_HTTP_OK, text);
}

static enum MHD_Result dispatch(struct MHD_Connection *conn, const char *url, const char *method,
				const struct request *req)
{
	bool results = !strcmp(url, "/v1/results"), hello = !strcmp(url, "/v1/hello");
	enum MHD_Result ret;
	json_object *in;
	const char *why;
	int64_t v;

	if (!strcmp(url, "/v1/next")) {
		if (strcmp(method, MHD_HTTP_METHOD_GET))
			return reply_error(conn, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only");
		return do_next(conn, req);
	}
	if (!results && !hello)
		return reply_error(conn, MHD_HTTP_NOT_FOUND, "no such resource");
	if (strcmp(method, MHD_HTTP_METHOD_POST))
		return reply_error(conn, MHD_HTTP_METHOD_NOT_ALLOWED, "POST only");
	in = jsonx_parse(req->body ? req->body : "", req->len, &why);
	if (!in)
		return reply_error(conn, MHD_HTTP_BAD_REQUEST, why);
	if (!jsonx_int64(in, "v", 1, 1, &v))
		ret = reply_error(conn, MHD_HTTP_BAD_REQUEST, "v is not 1");
	else
		ret = results ? do_results(conn, req, in) : do_hello(conn, req, in);
	json_object_put(in);
	return ret;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *conn, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *size, void **state)
{
	struct request *req = *state;
	const char *length;
	char *body;

	(void)cls;
	(void)version;
	if (!req) {
		req = calloc(1, sizeof(*req));
		if (!req)
			return MHD_NO;
		*state = req;
		/* Before a byte of the body is read. */
		if (!peer_name(conn, req->device))
			return reply_error(conn, MHD_HTTP_FORBIDDEN, "no valid client certificate");
		if (!enrolled(req->device))
			return reply_error(conn, MHD_HTTP_FORBIDDEN, "device is not enrolled");
		length = MHD_lookup_connection_value(conn, MHD_HEADER_KIND,
						     MHD_HTTP_HEADER_CONTENT_LENGTH);
		if (length && strtoull(length, NULL, 10) > JSONX_MAX_LEN)
			return reply_error(conn, MHD_HTTP_CONTENT_TOO_LARGE, "at most 1 MiB");
		return MHD_YES;
	}
	if (!*size)
		return dispatch(conn, url, method, req);
	/* Only without a Content-Length: drop the connection. */
	if (*size > JSONX_MAX_LEN - req->len)
		return MHD_NO;
	body = realloc(req->body, req->len + *size);
	if (!body)
		return MHD_NO;
	req->body = body;
	memcpy(body + req->len, data, *size);
	req->len += *size;
	*size = 0;
	return MHD_YES;
}

static void completed(void *cls, struct MHD_Connection *conn, void **state,
		      enum MHD_RequestTerminationCode why)
{
	struct request *req = *state;

	(void)cls;
	(void)conn;
	(void)why;
	if (req)
		free(req->body);
	free(req);
	*state = NULL;
}

static struct addrinfo *resolve(const char *listen)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE |
				  AI_NUMERICHOST | AI_NUMERICSERV }, *ai = NULL;
	char *host = strdup(listen), *port = host ? strrchr(host, ':') : NULL, *name = host;

	if (port) {
		*port++ = '\0';
		if (*name == '[' && port[-2] == ']') {
			port[-2] = '\0';
			name++;
		}
		if (getaddrinfo(*name ? name : NULL, port, &hints, &ai))
			ai = NULL;
	}
	free(host);
	if (!ai)
		kms_log("%s: not ADDRESS:PORT with a numeric address", listen);
	return ai;
}

static char *read_pem(const char *path)
{
	size_t len;
	uint8_t *p = read_whole(path, MAX_CERT, &len);
	char *text = p ? realloc(p, len + 1) : NULL;

	if (text)
		text[len] = '\0';
	return text;
}

/* Wake waiting requests when another process has committed; until a signal. */
static void watch(void)
{
	struct timespec look = { .tv_nsec = LOOK_MS * 1000000L };
	int64_t version = 0, now;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	while (sigtimedwait(&set, NULL, &look) < 0) {
		pthread_mutex_lock(&srv.lock);
		srv.kms->err = false;
		if (db_int(srv.kms, &now, "PRAGMA data_version", "") && now != version) {
			version = now;
			pthread_cond_broadcast(&srv.wake);
		}
		pthread_mutex_unlock(&srv.lock);
	}
	pthread_mutex_lock(&srv.lock);
	srv.stop = true;
	pthread_cond_broadcast(&srv.wake);
	pthread_mutex_unlock(&srv.lock);
}

/* Why it does not start; what peers do wrong later is not worth a line each. */
static void log_start(void *cls, const char *fmt, va_list ap)
{
	char line[512];

	(void)cls;
	if (srv.started)
		return;
	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	kms_log("%s", line);
}

int serve(struct kms *kms, const struct serve_options *opt)
{
	struct addrinfo *ai = resolve(opt->listen);
	char *cert = read_pem(opt->cert), *key = read_pem(opt->key), *ca = read_pem(opt->ca);
	struct MHD_Daemon *d = NULL;
	pthread_condattr_t attr;
	sigset_t set;
	int ret = -1;

	if (!ai || !cert || !key || !ca)
		goto out;
	srv.kms = kms;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&srv.wake, &attr);
	/* Blocked in every thread; watch() takes them. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Not with MHD's reuse of addresses: two servers would share a port. */
	d = MHD_start_daemon(MHD_USE_TLS | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_ERROR_LOG |
			     MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC |
			     (ai->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0),
			     0, NULL, NULL, handle, NULL,
			     MHD_OPTION_EXTERNAL_LOGGER, log_start, NULL,
			     MHD_OPTION_SOCK_ADDR, ai->ai_addr,
			     MHD_OPTION_HTTPS_MEM_CERT, cert,
			     MHD_OPTION_HTTPS_MEM_KEY, key,
			     MHD_OPTION_HTTPS_MEM_TRUST, ca,
			     MHD_OPTION_HTTPS_PRIORITIES,
			     "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2",
			     MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS,
			     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_S,
			     MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
			     MHD_OPTION_END);
	if (!d) {
		kms_log("%s: can't serve there with this certificate, key and CA", opt->listen);
		goto out;
	}
	srv.started = true;
	kms_log("serving on %s", opt->listen);
	watch();
	kms_log("stopping");
	MHD_stop_daemon(d);
	ret = 0;
out:
	if (key)
		gnutls_memset(key, 0, strlen(key));
	free(cert);
	free(key);
	free(ca);
	if (ai)
		freeaddrinfo(ai);
	return ret;
}
