/*
 * cmds: the functions that the rows of the command table name. One line per function; what a
 * command does stands in its row.
 */
#ifndef COMMANDS_CMDS_H
#define COMMANDS_CMDS_H

#include "commands/call.h"

/* cmd_write.c */
command_plan_fn cmd_create_plan, cmd_update_plan, cmd_delete_plan, cmd_enrich_plan;
command_plan_fn cmd_restore_plan, cmd_bulk_plan;
command_answer_fn cmd_create_answer, cmd_update_answer, cmd_delete_answer, cmd_enrich_answer;
command_answer_fn cmd_restore_answer, cmd_bulk_answer;

/* cmd_read.c */
command_fn cmd_chronos_get, cmd_getversion, cmd_getasof, cmd_chronos_mget;
command_cached_fn cmd_chronos_get_cached, cmd_getversion_cached, cmd_getasof_cached;
command_cached_fn cmd_chronos_mget_cached;

/* cmd_history.c */
command_fn cmd_history, cmd_diff, cmd_blame;

/* cmd_string.c */
command_fn cmd_get, cmd_mget, cmd_exists, cmd_strlen, cmd_type;
command_cached_fn cmd_get_cached, cmd_mget_cached, cmd_exists_cached, cmd_strlen_cached,
    cmd_type_cached;
command_plan_fn cmd_set_plan, cmd_setnx_plan, cmd_getset_plan, cmd_getdel_plan;
command_plan_fn cmd_mset_plan, cmd_msetnx_plan, cmd_del_plan;
command_answer_fn cmd_set_answer, cmd_setnx_answer, cmd_getset_answer, cmd_getdel_answer;
command_answer_fn cmd_mset_answer, cmd_msetnx_answer, cmd_del_answer;

/* cmd_keyspace.c */
command_fn cmd_scan, cmd_dbsize, cmd_randomkey;

/* cmd_connection.c */
command_fn cmd_ping, cmd_echo, cmd_quit, cmd_reset, cmd_hello, cmd_auth, cmd_select;

/* cmd_client.c */
command_fn cmd_client_id, cmd_client_getname, cmd_client_setname, cmd_client_setinfo;
command_fn cmd_client_info, cmd_client_list, cmd_client_kill, cmd_client_reply;
command_fn cmd_client_no_evict, cmd_client_no_touch;

/* cmd_server.c */
command_fn cmd_config_get, cmd_config_set, cmd_config_resetstat, cmd_config_rewrite;
command_fn cmd_time, cmd_lastsave, cmd_wait, cmd_shutdown, cmd_debug_sleep, cmd_debug_fault;

/* cmd_info.c */
command_fn cmd_info;

/* cmd_command.c */
command_fn cmd_command, cmd_command_count, cmd_command_list, cmd_command_info, cmd_command_docs;
command_fn cmd_command_getkeys, cmd_command_getkeysandflags, cmd_help;

/* cmd_admin.c */
command_fn cmd_admin_health, cmd_admin_verify, cmd_use, cmd_route, cmd_opstatus;

#endif
