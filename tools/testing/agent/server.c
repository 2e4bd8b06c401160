// SPDX-License-Identifier: MIT
/*
 * A signing server that signs nothing and misbehaves on demand.
 */
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hex.h"
#include "jsonx.h"
#include "server.h"
#include "test.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct upload {
	size_t len;
	char text[PROTOCOL_MAX_BODY];
};

void pki_make(void)
{
	static const char script[] =
		"set -e; mkdir pki; cd pki\n"
		"new() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
		" -days 2 -keyout $1.key -out $1.pem -subj /CN=$1 \"${@:2}\" 2>>log; }\n"
		"new ca; new other\n"
		"new server -CA ca.pem -CAkey ca.key -addext subjectAltName=IP:127.0.0.1\n"
		"new device -CA ca.pem -CAkey ca.key\n";

	file_write("pki.sh", script, sizeof(script) - 1);
	assert_int_equal(system("bash pki.sh"), 0);
}

static char *batch_text(const struct batch *b)
{
	json_object *obj = json_object_new_object(), *steps = json_object_new_array();
	unsigned int i;
	char *text;

	json_object_object_add(obj, "v", json_object_new_int(1));
	json_object_object_add(obj, "job", json_object_new_int64(b->job));
	json_object_object_add(obj, "title", json_object_new_string(b->title));
	json_object_object_add(obj, "done", json_object_new_int64(b->done));
	json_object_object_add(obj, "total", json_object_new_int64(b->total));
	json_object_object_add(obj, "steps", steps);
	for (i = 0; i < b->nr; i++) {
		const struct step *s = &b->steps[i];
		json_object *step = json_object_new_object();
		const char *class = s->write ? "wr" : "rd";
		char hex[1024];

		hex_encode(hex, s->block, s->len);
		json_object_object_add(step, "step", json_object_new_int64(s->step));
		json_object_object_add(step, "class", json_object_new_string(class));
		json_object_object_add(step, "type", json_object_new_int(s->type));
		json_object_object_add(step, "block", json_object_new_string(hex));
		json_object_object_add(step, "max", json_object_new_int(s->max));
		json_object_array_add(steps, step);
	}
	text = strdup(json_object_to_json_string(obj));
	json_object_put(obj);
	return text;
}

static enum MHD_Result reply(struct MHD_Connection *c, unsigned int status, const char *text)
{
	struct MHD_Response *r;
	enum MHD_Result ret;

	r = MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
	ret = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ret;
}

static enum MHD_Result redirect(struct MHD_Connection *c, const char *where)
{
	struct MHD_Response *r;
	enum MHD_Result ret;

	r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	MHD_add_response_header(r, "Location", where);
	ret = MHD_queue_response(c, 307, r);
	MHD_destroy_response(r);
	return ret;
}

static enum MHD_Result next(struct server *s, struct MHD_Connection *c)
{
	unsigned int i, k;
	enum MHD_Result ret;
	char *text;

	for (i = 0; i < 4 && s->batches[i]; i++) {
		const struct batch *b = s->batches[i];

		for (k = 0; k < b->nr && s->outcomes[b->steps[k].step]; k++)
			;
		if (k == b->nr)
			continue;
		text = batch_text(b);
		ret = reply(c, 200, text);
		free(text);
		return ret;
	}
	return reply(c, 204, "");
}

/* Posted by our own agent: what is not as it should be fails the test. */
static unsigned int store(struct server *s, const struct upload *up)
{
	json_object *obj, *list;
	unsigned int status = 200;
	const char *why;
	int64_t step;
	size_t i;

	obj = jsonx_parse(up->text, up->len, &why);
	list = obj ? jsonx_array(obj, "results", 1, BATCH_MAX_STEPS) : NULL;
	for (i = 0; list && i < json_object_array_length(list); i++) {
		json_object *o = json_object_array_get_idx(list, i);
		const char *text = json_object_to_json_string(o);

		if (!jsonx_int64(o, "step", 0, BATCH_MAX_STEPS - 1, &step)) {
			status = 400;
		} else if (!s->outcomes[step]) {
			s->outcomes[step] = strdup(text);
		} else if (strcmp(s->outcomes[step], text)) {
			s->conflicts++;
			status = 409;
		}
	}
	json_object_put(obj);
	return list ? status : 400;
}

static enum MHD_Result respond(struct server *s, struct MHD_Connection *c, const char *url,
			       const struct upload *up)
{
	struct server_request *rq;
	enum server_fault fault = FAULT_NONE;
	unsigned int status = 200;

	if (!strcmp(url, "/v1/hello"))
		rq = &s->hello;
	else if (!strcmp(url, "/v1/next"))
		rq = &s->next;
	else if (!strcmp(url, "/v1/results"))
		rq = &s->results;
	else
		return reply(c, 404, "");

	rq->count++;
	if (rq->times) {
		rq->times--;
		fault = rq->fault;
	}
	switch (fault) {
	case FAULT_CLOSE:
		return MHD_NO;
	case FAULT_STATUS:
		return reply(c, rq->status, "{\"error\": \"on demand\"}");
	case FAULT_BODY:
		return reply(c, 200, rq->body);
	case FAULT_REDIRECT:
		return redirect(c, rq->body);
	case FAULT_HOLD:
		pthread_mutex_unlock(&lock);
		sleep(5);
		pthread_mutex_lock(&lock);
		break;
	default:
		break;
	}

	if (rq == &s->next)
		return next(s, c);
	if (rq == &s->results)
		status = store(s, up);
	if (fault == FAULT_CLOSE_AFTER)
		return MHD_NO;
	return reply(c, status, "{\"v\": 1, \"time\": \"2026-11-20T18:00:00Z\"}");
}

static enum MHD_Result handle(void *user, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *size, void **con)
{
	struct upload *up = *con;
	enum MHD_Result ret;

	(void)method;
	(void)version;
	if (!up) {
		*con = calloc(1, sizeof(*up));
		return *con ? MHD_YES : MHD_NO;
	}
	if (*size) {
		if (*size > sizeof(up->text) - up->len)
			return MHD_NO;
		memcpy(up->text + up->len, data, *size);
		up->len += *size;
		*size = 0;
		return MHD_YES;
	}
	pthread_mutex_lock(&lock);
	ret = respond(user, c, url, up);
	pthread_mutex_unlock(&lock);
	return ret;
}

static void completed(void *user, struct MHD_Connection *c, void **con,
		      enum MHD_RequestTerminationCode code)
{
	(void)user;
	(void)c;
	(void)code;
	free(*con);
	*con = NULL;
}

void server_start(struct server *s)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(s->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	char *key = file_read("pki/server.key", NULL), *cert = file_read("pki/server.pem", NULL);
	char *ca = file_read("pki/ca.pem", NULL);

	s->priv = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
				   MHD_USE_TLS, s->port, NULL, NULL, handle, s,
				   MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&addr,
				   MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_HTTPS_MEM_CERT, cert,
				   MHD_OPTION_HTTPS_MEM_TRUST, ca,
				   MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
				   MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
				   MHD_OPTION_END);
	assert_non_null(s->priv);
	s->port = MHD_get_daemon_info(s->priv, MHD_DAEMON_INFO_BIND_PORT)->port;
	free(key);
	free(cert);
	free(ca);
}

void server_stop(struct server *s)
{
	MHD_stop_daemon(s->priv);
	s->priv = NULL;
}

void server_clear(struct server *s)
{
	unsigned int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < BATCH_MAX_STEPS; i++) {
		free(s->outcomes[i]);
		s->outcomes[i] = NULL;
	}
	memset(s->batches, 0, sizeof(s->batches));
	memset(&s->hello, 0, sizeof(s->hello));
	memset(&s->next, 0, sizeof(s->next));
	memset(&s->results, 0, sizeof(s->results));
	s->conflicts = 0;
	pthread_mutex_unlock(&lock);
}
