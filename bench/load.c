/* RTP load: many speakers in G.711 µ-law, and how evenly the answers come.
 *
 *     load HOST LOCAL_BASE SETTLE_S SECONDS < ports
 *
 * One socket for each port read from the input: speaker i sends from LOCAL_BASE + 2i to HOST and
 * its port, 50 packets a second on absolute deadlines; the speakers are spread over the 20 ms.
 * After SETTLE_S it says "begin", measures for SECONDS, says "end" and then the figures as JSON.
 * Pacing is |time between two packets that follow each other − 20 ms|, by the kernel's receive
 * stamps, so that this program's own delays do not count. HOST is of 127.0.0.0/8, nothing else. */
#define _GNU_SOURCE
#include "rtp.h"

#include <sys/resource.h>

enum { SLOTS = 20, BINS = 50000, BIN_NS = 10000, AT_ONCE = 4 };

struct speaker {
    int fd, frame, known;
    uint16_t sequence;
    uint32_t stamp;
    int64_t first, top, received; /* of the peer's sequence numbers, made long */
    int64_t top_ns;               /* when `top` came */
};

struct histogram {
    int64_t bins[BINS], count, largest;
};

static struct histogram pacing, lateness;
static int64_t sent, send_errors;
static uint8_t encoded[SOUND_FRAMES * FRAME];

static void count_in(struct histogram *h, int64_t ns)
{
    int64_t bin = ns / BIN_NS;
    h->bins[bin < BINS ? bin : BINS - 1]++;
    h->count++;
    if (ns > h->largest)
        h->largest = ns;
}

static double share_ms(const struct histogram *h, double share)
{
    int64_t passed = 0;
    for (int bin = 0; bin < BINS; bin++)
        if ((passed += h->bins[bin]) > share * (double)(h->count - 1))
            return (bin + .5) * BIN_NS / 1e6;
    return 0;
}

static void take(struct speaker *s, const uint8_t *packet, int64_t came_ns)
{
    if (!s->known) {
        s->known = 1;
        s->first = s->top = 65536 + sequence_of(packet);
        s->received = 1;
        s->top_ns = came_ns;
        return;
    }
    int step = (int16_t)(sequence_of(packet) - (uint16_t)s->top);
    s->received++;
    if (step == 1)
        count_in(&pacing, llabs(came_ns - s->top_ns - TICK_NS));
    if (step > 0) {
        s->top += step;
        s->top_ns = came_ns;
    }
}

static int64_t kernel_stamp(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec t;
            memcpy(&t, CMSG_DATA(c), sizeof t);
            return t.tv_sec * 1000000000LL + t.tv_nsec;
        }
    die("the kernel gives no receive stamps (SO_TIMESTAMPNS)");
    return 0;
}

static void hear(struct speaker *s)
{
    static uint8_t data[AT_ONCE][512];
    static char notes[AT_ONCE][CMSG_SPACE(sizeof(struct timespec))];
    struct mmsghdr messages[AT_ONCE];
    struct iovec parts[AT_ONCE];
    int count;
    do {
        for (int i = 0; i < AT_ONCE; i++) {
            parts[i] = (struct iovec){data[i], sizeof data[i]};
            messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1,
                .msg_control = notes[i], .msg_controllen = sizeof notes[i]};
        }
        count = recvmmsg(s->fd, messages, AT_ONCE, MSG_DONTWAIT, NULL);
        for (int i = 0; i < count; i++)
            if (is_audio(data[i], messages[i].msg_len))
                take(s, data[i], kernel_stamp(&messages[i].msg_hdr));
    } while (count == AT_ONCE);
}

static void say(struct speaker *s, uint32_t source)
{
    uint8_t packet[PACKET];
    write_header(packet, s->sequence++, s->stamp, source);
    memcpy(packet + HEADER, encoded + s->frame * FRAME, FRAME);
    s->stamp += FRAME;
    s->frame = (s->frame + 1) % SOUND_FRAMES;
    if (send(s->fd, packet, sizeof packet, 0) == sizeof packet)
        sent++;
    else
        send_errors++;
}

static void begin_window(struct speaker *speakers, int count)
{
    for (int i = 0; i < count; i++) {
        hear(&speakers[i]);
        speakers[i].known = 0;
        speakers[i].received = 0;
    }
    memset(&pacing, 0, sizeof pacing);
    memset(&lateness, 0, sizeof lateness);
    sent = send_errors = 0;
    puts("begin");
}

static double cpu_s(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec)
        + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void tell(struct speaker *speakers, int count, double seconds, double cpu)
{
    int64_t received = 0, lost = 0, silent = 0;
    for (int i = 0; i < count; i++) {
        struct speaker *s = &speakers[i];
        received += s->received;
        silent += !s->known;
        int64_t missing = s->known ? s->top - s->first + 1 - s->received : 0;
        lost += missing > 0 ? missing : 0;
    }
    printf("{\"speakers\": %d, \"seconds\": %.1f, \"sent\": %lld, \"send_errors\": %lld, \"received\": %lld,"
           " \"lost\": %lld, \"silent\": %lld, \"pacing_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"p99.9\": %.3f,"
           " \"max\": %.3f}, \"own_lateness_p99_ms\": %.3f, \"own_cpu_s\": %.3f}\n",
        count, seconds, (long long)sent, (long long)send_errors, (long long)received, (long long)lost,
        (long long)silent, share_ms(&pacing, .5), share_ms(&pacing, .99), share_ms(&pacing, .999),
        (double)pacing.largest / 1e6, share_ms(&lateness, .99), cpu);
}

static struct speaker *open_speakers(uint32_t host, int base, int *count)
{
    struct speaker *speakers = NULL;
    int port, on = 1;
    for (*count = 0; scanf("%d", &port) == 1; ++*count) {
        speakers = realloc(speakers, sizeof *speakers * (size_t)(*count + 1));
        struct sockaddr_in target = address_of(host, port);
        int fd = bound_socket(0x7f000001, base + 2 * *count);
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
        if (connect(fd, (struct sockaddr *)&target, sizeof target) < 0)
            die("a port cannot be reached");
        speakers[*count] = (struct speaker){.fd = fd, .frame = *count * 37 % SOUND_FRAMES};
    }
    return speakers;
}

int main(int argc, char **argv)
{
    struct in_addr host;
    int count;
    if (argc != 5 || inet_pton(AF_INET, argv[1], &host) != 1)
        die("expected: load HOST LOCAL_BASE SETTLE_S SECONDS, and ports on the input");
    if (ntohl(host.s_addr) >> 24 != 127)
        die("load speaks to 127.0.0.0/8 only");
    double seconds = atof(argv[4]);
    int64_t settle = (int64_t)(atof(argv[3]) * 1000), end = settle + (int64_t)(seconds * 1000);
    make_law();
    make_sound();
    for (int n = 0; n < SOUND_FRAMES * FRAME; n++)
        encoded[n] = law_of(sound[n]);
    struct speaker *speakers = open_speakers(ntohl(host.s_addr), atoi(argv[2]), &count);
    if (!count)
        die("no ports on the input");
    setvbuf(stdout, NULL, _IOLBF, 0);

    int64_t start = monotonic_ns() + TICK_NS;
    double cpu = 0;
    for (int64_t ms = 0; ms < end; ms++) {
        if (ms == settle) {
            begin_window(speakers, count);
            cpu = cpu_s();
        }
        count_in(&lateness, sleep_until(start + ms * 1000000));
        for (int i = (int)(ms % SLOTS); i < count; i += SLOTS) {
            hear(&speakers[i]);
            say(&speakers[i], 0x10000u + (uint32_t)i);
        }
    }
    puts("end");
    cpu = cpu_s() - cpu;
    for (int i = 0; i < count; i++)
        hear(&speakers[i]);
    tell(speakers, count, seconds, cpu);
    return 0;
}
