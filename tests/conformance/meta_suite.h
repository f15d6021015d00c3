/*
 * The conformance suite of metadata stores: what any implementation of store/meta.h must do,
 * faults, crashes and many threads included.
 */
#ifndef CONFORMANCE_META_SUITE_H
#define CONFORMANCE_META_SUITE_H

#include "conformance/meta_world.h"

/* Runs everything; the number of tests that failed. */
int meta_suite_run(struct meta_maker *maker);

/* Its parts. */
int meta_suite_reading(struct meta_maker *maker); /* one thread, no faults */
int meta_suite_tables(struct meta_maker *maker);  /* operations, outbox, queue, collections */
int meta_suite_threads(struct meta_maker *maker);
int meta_suite_faults(struct meta_maker *maker);
int meta_suite_crashes(struct meta_maker *maker);

/* The maker of the tests that run now. */
extern struct meta_maker *meta_suite_maker;

#endif
