/* The floor: what a media server cannot leave out, in one thread and without anything else.
 *
 *     floor BASE_PORT CALLS PEER_BASE_PORT FOLDER
 *
 * Call i receives on 127.0.0.1, port BASE_PORT + 2i, and sends to PEER_BASE_PORT + 2i. Every 20 ms,
 * for each call: take what came, put it in a ring by its sequence number, take the frame that is
 * due, decode it (G.711 µ-law), judge its energy, encode the next frame of a sound, send it, and
 * record both sides as stereo PCM, written in blocks of a second to FOLDER/i.pcm. It has no
 * concealment, adaptive buffer, RTCP, keys, SRTP, commands or events. Ends on SIGTERM; then it says
 * as JSON how many packets came and how many frames were speech. */
#define _GNU_SOURCE
#include "rtp.h"

#include <fcntl.h>
#include <signal.h>

enum { RING = 8, WAIT = 2, BLOCK = 50, AT_ONCE = 4 }; /* packets, packets, frames, packets */

struct call {
    int fd, file, started, frame;
    struct sockaddr_in peer;
    uint16_t due, sequence; /* what is heard next, what is sent next */
    uint32_t stamp;
    uint16_t held_sequence[RING];
    uint8_t held[RING][FRAME], there[RING];
    int recorded; /* frames in the block */
    int16_t block[BLOCK * FRAME][2];
};

static volatile sig_atomic_t stopped;
static int64_t received, speech;

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static void hold(struct call *c, const uint8_t *packet)
{
    uint16_t sequence = sequence_of(packet);
    if (!c->started) {
        c->started = 1;
        c->due = (uint16_t)(sequence - WAIT);
    }
    int ahead = (int16_t)(sequence - c->due);
    if (ahead < 0)
        return; /* too late */
    if (ahead >= RING)
        c->due = (uint16_t)(sequence - WAIT);
    c->held_sequence[sequence % RING] = sequence;
    c->there[sequence % RING] = 1;
    memcpy(c->held[sequence % RING], packet + HEADER, FRAME);
}

static void receive(struct call *c)
{
    static uint8_t data[AT_ONCE][512];
    static struct sockaddr_in from[AT_ONCE];
    static struct iovec parts[AT_ONCE];
    static struct mmsghdr messages[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) {
        parts[i] = (struct iovec){data[i], sizeof data[i]};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof from[i],
            .msg_iov = &parts[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(c->fd, messages, AT_ONCE, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
        if (from[i].sin_port == c->peer.sin_port && is_audio(data[i], messages[i].msg_len)) {
            received++;
            hold(c, data[i]);
        }
}

/* The frame that is due, decoded; silence if it has not come. */
static void hear(struct call *c, int16_t *pcm)
{
    int at = c->due % RING;
    if (c->started && c->there[at] && c->held_sequence[at] == c->due) {
        int64_t power = 0;
        for (int n = 0; n < FRAME; n++) {
            pcm[n] = linear_of[c->held[at][n]];
            power += pcm[n] * pcm[n];
        }
        speech += power / FRAME > 10737; /* −50 dBFS */
    } else {
        memset(pcm, 0, FRAME * sizeof *pcm);
    }
    c->there[at] = 0;
    c->due = (uint16_t)(c->due + c->started);
}

static void say(struct call *c, uint32_t source, const int16_t *pcm)
{
    uint8_t packet[PACKET];
    write_header(packet, c->sequence++, c->stamp, source);
    c->stamp += FRAME;
    for (int n = 0; n < FRAME; n++)
        packet[HEADER + n] = law_of(pcm[n]);
    if (sendto(c->fd, packet, sizeof packet, 0, (struct sockaddr *)&c->peer, sizeof c->peer) < 0)
        return; /* nobody listens yet: the next packet tries again */
}

static void record(struct call *c, const int16_t *heard, const int16_t *said)
{
    int16_t(*to)[2] = c->block + c->recorded * FRAME;
    for (int n = 0; n < FRAME; n++) {
        to[n][0] = heard[n];
        to[n][1] = said[n];
    }
    if (++c->recorded == BLOCK) {
        if (write(c->file, c->block, sizeof c->block) != sizeof c->block)
            die("a recording cannot be written");
        c->recorded = 0;
    }
}

static void open_call(struct call *c, int number, int port, int peer_port, const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%d.pcm", folder, number);
    c->file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (c->file < 0)
        die("a recording cannot be opened");
    c->fd = bound_socket(INADDR_LOOPBACK, port);
    c->peer = address_of(INADDR_LOOPBACK, peer_port);
    c->frame = number * 37 % SOUND_FRAMES;
    c->recorded = number % BLOCK; /* so that not all blocks are full in the same tick */
}

int main(int argc, char **argv)
{
    if (argc != 5)
        die("expected: floor BASE_PORT CALLS PEER_BASE_PORT FOLDER");
    int base = atoi(argv[1]), count = atoi(argv[2]), peer_base = atoi(argv[3]);
    struct call *calls = calloc((size_t)count, sizeof *calls);
    make_law();
    make_sound();
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    puts("idle");
    fflush(stdout);
    getchar(); /* whoever started us has seen how much memory we take without calls */
    for (int i = 0; i < count; i++)
        open_call(&calls[i], i, base + 2 * i, peer_base + 2 * i, argv[4]);
    puts("ready");
    fflush(stdout);
    for (int64_t deadline = monotonic_ns(); !stopped; deadline += TICK_NS) {
        sleep_until(deadline);
        for (int i = 0; i < count; i++) {
            struct call *c = &calls[i];
            int16_t heard[FRAME];
            const int16_t *said = sound + c->frame * FRAME;
            receive(c);
            hear(c, heard);
            say(c, 0x20000u + (uint32_t)i, said);
            record(c, heard, said);
            c->frame = (c->frame + 1) % SOUND_FRAMES;
        }
    }
    printf("{\"received\": %lld, \"speech_frames\": %lld}\n", (long long)received, (long long)speech);
    return 0;
}
