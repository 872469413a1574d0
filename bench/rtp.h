/* What the load and the floor share: clocks, G.711 µ-law (ITU-T G.711), the 12 octets of an RTP
 * header (RFC 3550 §5.1), and a sound like speech. Linux. */
#ifndef BENCH_RTP_H
#define BENCH_RTP_H

#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FRAME = 160, HEADER = 12, PACKET = HEADER + FRAME, RATE = 8000 };
enum { SOUND_FRAMES = 200 }; /* four seconds, then the sound repeats */

#define TICK_NS 20000000LL

static int16_t linear_of[256]; /* µ-law octet to sample */
static uint8_t octet_of[16384]; /* sample >> 2, plus 8192, to µ-law octet */
static int16_t sound[SOUND_FRAMES * FRAME];

_Noreturn static inline void die(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(2);
}

static inline int64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Sleep until a moment of the monotonic clock; gives how late it is, in ns. */
static inline int64_t sleep_until(int64_t ns)
{
    struct timespec t = {ns / 1000000000LL, ns % 1000000000LL};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
        ;
    return monotonic_ns() - ns;
}

/* The decoder as the standard has it; the encoder as its inverse, the nearest of 256 values. */
static inline void make_law(void)
{
    for (int octet = 0; octet < 256; octet++) {
        int bits = ~octet & 0xff, exponent = bits >> 4 & 7;
        int size = (((bits & 15) * 2 + 33) << exponent) - 33;
        linear_of[octet] = (int16_t)(bits & 0x80 ? -size * 4 : size * 4);
    }
    for (int level = 0; level < 16384; level++) {
        int best = 0, sample = (level - 8192) * 4;
        for (int octet = 1; octet < 256; octet++)
            if (abs(linear_of[octet] - sample) < abs(linear_of[best] - sample))
                best = octet;
        octet_of[level] = (uint8_t)best;
    }
}

static inline uint8_t law_of(int16_t sample) { return octet_of[(sample >> 2) + 8192]; }

/* Spurts of 1.2 s with a voice's harmonics in syllables, and pauses of 0.8 s of faint noise. */
static inline void make_sound(void)
{
    uint32_t noise = 1;
    for (int n = 0; n < SOUND_FRAMES * FRAME; n++) {
        double t = (double)n / RATE, within = fmod(t, 2.0), value = 0;
        if (within < 1.2) {
            double pitch = t < 2.0 ? 118 : 137;
            for (int k = 1; k <= 20; k++) {
                double f = k * pitch;
                double weight = 1 / (1 + pow((f - 550) / 180, 2)) + .5 / (1 + pow((f - 1700) / 250, 2));
                value += weight * sin(2 * M_PI * f * t + k * k);
            }
            value *= 3500 * (0.55 - 0.45 * cos(2 * M_PI * within / 0.24));
        } else {
            noise = noise * 1664525u + 1013904223u;
            value = (double)(noise >> 28) - 8;
        }
        sound[n] = (int16_t)fmax(-32000, fmin(32000, value));
    }
}

static inline void write_header(uint8_t *to, uint16_t sequence, uint32_t stamp, uint32_t source)
{
    uint16_t seq = htons(sequence);
    uint32_t ts = htonl(stamp), ssrc = htonl(source);
    to[0] = 0x80; /* version 2 */
    to[1] = 0;    /* payload type 0, PCMU */
    memcpy(to + 2, &seq, 2);
    memcpy(to + 4, &ts, 4);
    memcpy(to + 8, &ssrc, 4);
}

static inline uint16_t sequence_of(const uint8_t *packet) { return (uint16_t)(packet[2] << 8 | packet[3]); }

static inline int is_audio(const uint8_t *packet, long length)
{
    return length == PACKET && packet[0] >> 6 == 2 && (packet[1] & 0x7f) == 0;
}

static inline struct sockaddr_in address_of(uint32_t host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(host);
    return address;
}

static inline int bound_socket(uint32_t host, int port)
{
    struct sockaddr_in address = address_of(host, port);
    int one = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (one < 0 || bind(one, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("a UDP port for RTP");
        exit(2);
    }
    return one;
}

#endif
