// notify: messages to the program that supervises this process, by the protocol of sd_notify(3).
//
// A message is a datagram of lines such as "READY=1". Nothing here fails: where no supervisor
// listens, nothing is sent.
#ifndef WEIR_NOTIFY_H
#define WEIR_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and removes them from the environment, so
// that no program which a step starts speaks for this process. Call it before threads start.
void notify_open(void);

// Whether a supervisor listens.
bool notify_is_heard(void);

// Within this time the supervisor wants to hear WATCHDOG=1 each time; 0: it does not wait for any.
int64_t notify_watchdog_ms(void);

// Sends whole lines. Any thread.
void notify_send(const char *lines);

// Sends `lines`, then STATUS= with the text for people, in one message. Any thread.
__attribute__((format(printf, 2, 3))) void notify_status(const char *lines, const char *format,
                                                         ...);

#endif
