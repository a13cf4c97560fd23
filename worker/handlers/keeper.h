/* SPDX-License-Identifier: MIT
 *
 * worker/handlers/keeper.h - replace a helper that was killed, and see to what it leaves.
 *
 * Private to spawn.c.  The worker has threads by now and cannot fork another helper safely;
 * so its one child is this keeper, which does nothing but wait:
 *
 *      worker --socket--.   keeper   holds the helper's end of the socket, too: what is sent
 *                       v     |      while there is no helper waits for the next one
 *                        helper      killed: the keeper forks another, and adopts its nannies
 *
 * A nanny needs no helper: it reports to the worker by itself.  One that is killed after its
 * helper leaves orphans, which come to the keeper, and are killed.  The request that a helper
 * was serving when it died ends without a report, as if its nanny had been killed.
 */
#ifndef WORKER_HANDLERS_KEEPER_H
#define WORKER_HANDLERS_KEEPER_H

/* Until a helper ends by itself, which it does when the worker is gone. */
_Noreturn void keeper_main(int socket_fd, void (*helper_main)(int socket_fd));

#endif
