/*
 * release: the version, said once. Clients compare `redis_version`, so that is the Redis whose
 * commands and replies are spoken.
 */
#ifndef COMMANDS_RELEASE_H
#define COMMANDS_RELEASE_H

#define CHRONOS_VERSION "0.1.0"
#define REDIS_VERSION   "7.4.0"

enum { MODULE_VERSION = 10000 }; /* of `chronos` in HELLO's modules */

#endif
