/*
 * PING, ECHO, QUIT, RESET, HELLO, AUTH and SELECT. There is one user, `default`, whose password is
 * server.password.
 */
#include "base/clock.h"
#include "commands/cmds.h"
#include "commands/release.h"
#include "commands/sessions.h"
#include "config/config.h"

enum status cmd_ping(struct call *call, struct err *err) {
    if (call->argc > 2)
        return err_set(err, ERR_SYNTAX, "wrong number of arguments for 'ping' command");
    if (call->argc == 1)
        reply_simple(call->reply, "PONG");
    else
        reply_bulk(call->reply, call->argv[1]);
    return OK;
}

enum status cmd_echo(struct call *call, struct err *err) {
    (void)err;
    reply_bulk(call->reply, call->argv[1]);
    return OK;
}

enum status cmd_quit(struct call *call, struct err *err) {
    (void)err;
    call->session->closing = true;
    reply_ok(call->reply);
    return OK;
}

enum status cmd_reset(struct call *call, struct err *err) {
    (void)err;
    struct session *s = call->session;
    s->protocol = 2;
    s->db = 0;
    s->authenticated = call->config->password.n == 0;
    s->no_evict = s->no_touch = false;
    s->reply = SESSION_REPLY_ON;
    s->name[0] = s->route[0] = '\0';
    call->reply->protocol = 2;
    reply_simple(call->reply, "RESET");
    return OK;
}

/* ---- authentication ---- */

/* Takes the same time wherever the two differ. */
static bool same_secret(struct str given, struct str wanted) {
    unsigned differ = given.n != wanted.n;
    for (size_t i = 0; i < given.n; i++) {
        char c = wanted.n ? wanted.p[i % wanted.n] : 0;
        differ |= (unsigned)(unsigned char)(given.p[i] ^ c);
    }
    return differ == 0;
}

static enum status authenticate(const struct call *call, struct str user, struct str password,
                                struct err *err) {
    bool is_default = str_eq(user, STR("default"));
    bool open = call->config->password.n == 0;
    if (is_default && (open || same_secret(password, call->config->password))) return OK;
    return err_set(err, ERR_WRONGPASS, "invalid username-password pair or user is disabled.");
}

enum status cmd_auth(struct call *call, struct err *err) {
    if (call->argc > 3) return err_set(err, ERR_SYNTAX, "syntax error");
    bool named = call->argc == 3;
    if (!named && call->config->password.n == 0)
        return err_set(err, ERR_SYNTAX,
                       "AUTH <password> called without any password configured for the default "
                       "user. Are you sure your configuration is correct?");
    struct str user = named ? call->argv[1] : STR("default");
    enum status s = authenticate(call, user, call->argv[named ? 2 : 1], err);
    if (s != OK) return s;
    call->session->authenticated = true;
    reply_ok(call->reply);
    return OK;
}

/* ---- HELLO ---- */

struct hello {
    int64_t protocol; /* 0: as it is */
    bool auth, setname;
    struct str user, password, name;
};

static enum status read_hello(const struct call *call, struct hello *h, struct err *err) {
    if (call->argc > 1) {
        if (!str_to_int(call->argv[1], &h->protocol))
            return err_set(err, ERR_SYNTAX, "Protocol version is not an integer or out of range");
        if (h->protocol < 2 || h->protocol > 3)
            return err_set(err, ERR_NOPROTO, "unsupported protocol version");
    }
    for (int i = 2; i < call->argc; i++) {
        int left = call->argc - i - 1;
        if (str_eq_nocase(call->argv[i], STR("AUTH")) && left >= 2) {
            h->auth = true;
            h->user = call->argv[++i];
            h->password = call->argv[++i];
        } else if (str_eq_nocase(call->argv[i], STR("SETNAME")) && left >= 1) {
            h->setname = true;
            h->name = call->argv[++i];
            enum status s = session_check_name(h->name, err);
            if (s != OK) return s;
        } else {
            return err_set(err, ERR_SYNTAX, "Syntax error in HELLO option '%.*s'",
                           STR_FMT(call->argv[i]));
        }
    }
    return OK;
}

static void answer_hello(struct call *call) {
    struct reply *r = call->reply;
    reply_map(r, 7);
    reply_pair_str(r, "server", STR("redis"));
    reply_pair_str(r, "version", STR(REDIS_VERSION));
    reply_pair_int(r, "proto", call->session->protocol);
    reply_pair_int(r, "id", call->session->id);
    reply_pair_str(r, "mode", STR("standalone"));
    reply_pair_str(r, "role", STR("master"));
    reply_bulk(r, STR("modules"));
    reply_array(r, 1);
    reply_map(r, 4);
    reply_pair_str(r, "name", STR("chronos"));
    reply_pair_int(r, "ver", MODULE_VERSION);
    reply_pair_str(r, "path", STR(""));
    reply_bulk(r, STR("args"));
    reply_array(r, 0);
}

/* Nothing changes unless everything is right. */
enum status cmd_hello(struct call *call, struct err *err) {
    struct hello h = {0};
    enum status s = read_hello(call, &h, err);
    if (s != OK) return s;
    struct session *session = call->session;
    if (h.auth) {
        s = authenticate(call, h.user, h.password, err);
        if (s != OK) return s;
        session->authenticated = true;
    }
    if (!session->authenticated)
        return err_set(err, ERR_NOAUTH,
                       "HELLO must be called with the client already authenticated, otherwise the "
                       "HELLO <proto> AUTH <user> <pass> option can be used to authenticate the "
                       "client and select the RESP protocol version at the same time");
    if (h.setname) session_set_name(session, h.name);
    if (h.protocol) session->protocol = call->reply->protocol = (int)h.protocol;
    answer_hello(call);
    return OK;
}

enum status cmd_select(struct call *call, struct err *err) {
    int64_t index;
    if (!str_to_int(call->argv[1], &index))
        return err_set(err, ERR_SYNTAX, "value is not an integer or out of range");
    if (index != 0) return err_set(err, ERR_SYNTAX, "DB index is out of range");
    call->session->db = 0;
    call->session->route[0] = '\0';
    reply_ok(call->reply);
    return OK;
}
