/*
 * What an item was: HISTORY, DIFF, BLAME, RESTORE; and fields that are hidden.
 */
#include "protocol/steps.h"

#include <stddef.h>

const struct step steps_history[] = {
    {"chronos.create h:1 '{\"a\":1,\"l\":[1,2]}' ACTOR ann REASON first", "{*}"},
    {"mark", NULL},
    {"chronos.update h:1 '{\"a\":1,\"b\":{\"c\":2}}' ACTOR bob", "{*}"},
    {"chronos.enrich h:1 '{\"a\":2}' FUNC f1", "{*}"},
    {"set h:1 '{\"a\":2,\"z/~\":0}'", "+OK"},
    {"del h:1", ":1"},
    {"chronos.history h:1",
     "[{'ov' :0 'cv' :1 'at' '20*Z' 'op' 'CREATE' 'verb' 'CREATE' 'actor' 'ann' 'reason' 'first' "
     "'functionId' nil 'opId' '*' 'state' 'new' 'size' :* 'checksum' '*' 'deleted' #f 'deletedAt' "
     "nil} {'ov' :1 * 'op' 'UPDATE' 'verb' 'UPDATE' 'actor' 'bob' 'reason' nil *} "
     "{'ov' :2 * 'op' 'UPDATE' 'verb' 'ENRICH' * 'functionId' 'f1' *} "
     "{'ov' :3 * 'op' 'UPDATE' 'verb' 'SET' *} "
     "{'ov' :4 * 'op' 'DELETE' 'verb' 'DEL' * 'deleted' #t 'deletedAt' '20*Z'}]"},
    {"chronos.history h:1 FROM 1 TO 2", "[{'ov' :1 *} {'ov' :2 *}]"},
    {"chronos.history h:1 REV COUNT 2", "[{'ov' :4 *} {'ov' :3 *}]"},
    {"chronos.history h:1 COUNT 1", "[{'ov' :0 *}]"},
    {"chronos.history h:1 UNTIL %mark", "[{'ov' :0 *}]"},
    {"chronos.history h:1 SINCE %mark COUNT 1", "[{'ov' :1 *}]"},
    {"chronos.history h:1 FROM 3 TO 1", "[]"},
    {"chronos.history h:1 SINCE %now UNTIL %now FROM 9", "[]"},
    {"chronos.history h:1 FROM 3 DOCS", "[{* 'doc' '{\"a\":2,\"z/~\":0,*'} {'ov' :4 * 'doc' nil}]"},
    {"chronos.history h:1 TO 1 REV DOCS HIDDEN", "[{'ov' :1 * 'doc' '{*'} {'ov' :0 * 'doc' '{*'}]"},
    {"chronos.history h:2", "[]"},
    {"chronos.history nosuch:2 DOCS", "[]"},
    {"chronos.history h", "-VALIDATION *"},
    {"chronos.history h:1 COUNT 0", "-ERR COUNT is 0*"},
    {"chronos.history h:1 COUNT 10001", "-ERR COUNT is 10001, the most is 10000"},
    {"chronos.history h:1 COUNT x", "-ERR COUNT is not*"},
    {"chronos.history h:1 FROM -1", "-ERR FROM is -1*"},
    {"chronos.history h:1 SINCE x", "-ERR SINCE: *"},
    {"chronos.history h:1 META", "-ERR unknown option 'META'*"},
    /* DIFF */
    {"chronos.diff h:1 0 1", "'[{\"op\":\"remove\",\"path\":\"/l\"},{\"op\":\"add\",\"path\":\"/"
                             "b\",\"value\":{\"c\":2}}]'"},
    {"chronos.diff h:1 1 1", "'[]'"},
    {"chronos.diff h:1 3 4 HIDDEN", "'[]'"},
    {"chronos.diff h:1 0 9", "-NOTFOUND h:1 has no version 9"},
    {"chronos.diff h:9 0 1", "-NOTFOUND h:9 has no version 0"},
    {"chronos.diff h:1 x 1", "-ERR ov1 is not*"},
    {"chronos.diff h:1 0 -1", "-ERR ov2 is -1*"},
    {"chronos.diff h:1 0", "-ERR wrong number*"},
    {"chronos.diff h 0 1", "-VALIDATION *"},
    {"chronos.diff h:1 0 1 META", "-ERR unknown option 'META'*"},
    /* BLAME */
    {"chronos.blame h:1", "nil"},
    {"chronos.update h:1 '{\"a\":2,\"z/~\":0,\"e\":[],\"b\":{\"c\":5}}' UNDELETE ACTOR cid", "{*}"},
    {"chronos.blame h:1",
     "{'/a' {'ov' :2 'at' '20*Z' 'actor' nil 'reason' nil} '/z~1~0' {'ov' :3 *} '/e' {'ov' :5 *} "
     "'/b/c' {'ov' :5 * 'actor' 'cid' *}}"},
    {"chronos.blame h:1 b", "{'/b/c' {'ov' :5 *}}"},
    {"chronos.blame h:1 /a HIDDEN", "{'/a' {'ov' :2 *}}"},
    {"chronos.blame h:1 HIDDEN", "{'/a' *}"},
    {"chronos.blame h:1 nosuch", "{}"},
    {"chronos.blame h:9", "nil"},
    {"chronos.blame nosuch:9", "nil"},
    {"chronos.blame h:1 a..b", "-ERR *"},
    {"chronos.blame h:1 a b", "-ERR unknown option 'b'*"},
    {"chronos.blame h", "-VALIDATION *"},
    {NULL, NULL}};

#define RESTORED(ov, from, changed)                                                                \
    "{'key' 's:1' 'id' '1' 'ov' :" ov " 'cv' :* 'updatedAt' '20*Z' 'opId' '*' 'state' 'new' "      \
    "'restoredFrom' :" from " 'changed' " changed "}"

const struct step steps_restore[] = {
    {"chronos.create s:1 '{\"n\":0}'", "{*}"},
    {"mark", NULL},
    {"chronos.update s:1 '{\"n\":1}'", "{*}"},
    {"chronos.restore s:1 OV 0 ACTOR a REASON r OPID s-1 SYNC IFOV 1", RESTORED("2", "0", "#t")},
    {"chronos.get s:1", "'{\"n\":0,*'"},
    {"chronos.history s:1 FROM 2",
     "[{'ov' :2 * 'op' 'RESTORE' 'verb' 'RESTORE' 'actor' 'a' 'reason' 'r' *}]"},
    {"chronos.restore s:1 OV 0", RESTORED("2", "0", "#f")},
    {"chronos.restore s:1 at %mark", RESTORED("2", "0", "#f")},
    {"chronos.restore s:1 OV 1", RESTORED("3", "1", "#t")},
    {"chronos.restore s:1 AT %mark", RESTORED("4", "0", "#t")},
    {"chronos.delete s:1", "{*}"},
    {"mark", NULL},
    {"chronos.restore s:1 OV 5", "-VALIDATION *deletion*"},
    {"chronos.restore s:1 OV 1", RESTORED("6", "1", "#t")},
    {"chronos.get s:1", "'{\"n\":1,*'"},
    {"chronos.restore s:1 AT %mark", RESTORED("7", "5", "#t")},
    {"chronos.get s:1", "nil"},
    {"chronos.restore s:1 AT %mark", RESTORED("7", "5", "#f")},
    {"chronos.restore s:1 OV 0 IFOV 1", "-CONFLICT expected ov 1, current ov 7"},
    {"chronos.restore s:1 OV 99", "-NOTFOUND *"},
    {"chronos.restore s:1 AT 5", "-NOTFOUND *"},
    {"chronos.restore s:1 AT %ahead", "-ERR *future*"},
    {"chronos.restore s:9 OV 0", "-NOTFOUND s:9"},
    {"chronos.restore nosuch:9 OV 0", "-NOTFOUND nosuch:9"},
    {"chronos.restore s:1 OV", "-ERR wrong number*"},
    {"chronos.restore s:1 SYNC SYNC", "-ERR option SYNC is given twice"},
    {"chronos.restore s:1 ACTOR a", "-ERR RESTORE needs OV n or AT time"},
    {"chronos.restore s:1 OV 1 AT 1", "-ERR options OV and AT exclude each other"},
    {"chronos.restore s:1 OV x", "-ERR OV is not*"},
    {"chronos.restore s: OV 1", "-VALIDATION *"},
    {NULL, NULL}};

/* `people` hides secret and list.pin. */
const struct step steps_hidden[] = {
    {"chronos.create people:1 '{\"n\":1,\"secret\":{\"x\":1},\"list\":[{\"pin\":7,\"k\":8}]}'",
     "{*}"},
    {"chronos.update people:1 '{\"n\":2,\"secret\":{\"x\":2},\"list\":[{\"pin\":9,\"k\":8}]}'",
     "{*}"},
    {"get people:1", "'{\"n\":2,\"list\":[{\"k\":8}],\"_system\":{*}}'"},
    {"mget people:1", "['{\"n\":2,\"list\":[{\"k\":8}],\"_system\":{*}}']"},
    {"chronos.get people:1", "'{\"n\":2,\"list\":[{\"k\":8}],\"_system\":{*}}'"},
    {"chronos.get people:1 HIDDEN",
     "'{\"n\":2,\"secret\":{\"x\":2},\"list\":[{\"pin\":9,\"k\":8}],*'"},
    {"chronos.get people:1 FIELDS 1 secret", "-ERR the path 'secret' is hidden*HIDDEN*"},
    {"chronos.get people:1 FIELDS 1 secret.x", "-ERR *hidden*"},
    {"chronos.get people:1 FIELDS 1 /secret/x", "-ERR *hidden*"},
    {"chronos.get people:1 FIELDS 1 list.0.pin", "-ERR *hidden*"},
    {"chronos.get people:1 FIELDS 1 list.pin.deep", "-ERR *hidden*"},
    {"chronos.get people:1 FIELDS 1 list", "'{\"list\":[{\"k\":8}]}'"},
    {"chronos.get people:1 FIELDS 1 secret HIDDEN", "'{\"secret\":{\"x\":2}}'"},
    {"chronos.get people:1 META", "{'doc' '{\"n\":2,\"list\":[{\"k\":8}],\"_system\":{*}}' *}"},
    {"chronos.getversion people:1 0", "'{\"n\":1,\"list\":[{\"k\":8}],*'"},
    {"chronos.mget 1 people:1", "['{\"n\":2,\"list\":[{\"k\":8}],*']"},
    {"chronos.mget 1 people:1 HIDDEN", "['{\"n\":2,\"secret\":{\"x\":2},*']"},
    {"chronos.mget 1 people:1 FIELDS 1 secret", "-ERR *hidden*"},
    {"chronos.history people:1 DOCS COUNT 1", "[{* 'doc' '{\"n\":1,\"list\":[{\"k\":8}],*'}]"},
    {"chronos.history people:1 DOCS COUNT 1 HIDDEN", "[{* 'doc' '{\"n\":1,\"secret\":*'}]"},
    {"chronos.diff people:1 0 1", "'[{\"op\":\"replace\",\"path\":\"/n\",\"value\":2}]'"},
    {"chronos.diff people:1 0 1 HIDDEN", "'*/secret/x*'"},
    {"chronos.blame people:1", "{'/n' {*} '/list/0/k' {*}}"},
    {"chronos.blame people:1 HIDDEN",
     "{'/n' {*} '/secret/x' {*} '/list/0/pin' {*} '/list/0/k' {*}}"},
    {"chronos.blame people:1 secret", "-ERR *hidden*"},
    {"chronos.blame people:1 secret HIDDEN", "{'/secret/x' {'ov' :1 *}}"},
    {"getset people:1 '{\"n\":3,\"secret\":4}'", "'{\"n\":2,\"list\":[{\"k\":8}],*'"},
    {"set people:1 '{\"n\":4,\"secret\":5}' GET", "'{\"n\":3,\"_system\":{*}}'"},
    {"getdel people:1", "'{\"n\":4,\"_system\":{*}}'"},
    {NULL, NULL}};

const struct step steps_keys[] = {
    {"chronos.create k:a:b:c {}", "{'key' 'k:a:b:c' 'id' 'a:b:c' *}"},
    {"chronos.create 'k:with blank' {}", "{* 'id' 'with blank' *}"},
    {"chronos.create k:\xc3\xa9\xe2\x82\xac {}", "{* 'id' '\xc3\xa9\xe2\x82\xac' *}"},
    {"get k:\xff", "-VALIDATION *UTF-8*"},
    {"get k:a/b", "-VALIDATION *"},
    {"get k:a\\b", "-VALIDATION *"},
    {"get 'k:a\nb'", "-VALIDATION *"},
    {"get __k:1", "-VALIDATION *'__'*"},
    {"get $k:1", "-VALIDATION *"},
    {"get _", "-VALIDATION *names no collection*"},
    {"get :1", "-VALIDATION *names no collection*"},
    {"get /k:1", "-VALIDATION *route*"},
    {NULL, NULL}};
