/* Ethernet frames with a mix of ARP, VLAN, IPv4 and IPv6, and in those TCP, UDP, ICMP and fragments.
 *
 * Lengths, header fields and IPv4 header checksums are valid; transport checksums are random, since
 * filters do not read them. Addresses and ports come from small sets so that filters accept a good
 * part, and one frame in eight is captured only in part.
 */
#pragma once
#include "random.h"

enum { LARGEST_PACKET = 192 };

struct writer {
    unsigned char *at;
};

static void put_8(struct writer *w, unsigned value)
{
    *w->at++ = value;
}

static void put_16(struct writer *w, unsigned value)
{
    put_8(w, value >> 8 & 255);
    put_8(w, value & 255);
}

static void put_32(struct writer *w, uint32_t value)
{
    put_16(w, value >> 16);
    put_16(w, value & 0xffff);
}

/* Half of the ports are well-known ones. */
static unsigned a_port(uint64_t random)
{
    static const uint16_t known[16] = { 80, 443, 53, 22,  25,  80,  8080, 123,
                                        21, 23,  80, 110, 143, 993, 443,  5353 };
    return random & 16 ? known[random & 15] : 1024 + (random >> 8) % 64512;
}

/* Two to four hosts of 10.0.0.0/24. */
static uint32_t an_address(uint64_t random)
{
    return 0x0a000001 + (random & 3);
}

static void put_ipv6_address(struct writer *w, uint64_t random)
{
    put_32(w, 0x20010db8);
    put_32(w, 0);
    put_32(w, 0);
    put_32(w, 1 + (random & 3));
}

/* A transport header and a payload of `payload` bytes; returns what the header's protocol is. */
static unsigned transport_size(unsigned protocol, unsigned options)
{
    return protocol == 6 ? 20 + options : 8;
}

static void put_transport(struct writer *w, unsigned protocol, unsigned options, unsigned payload,
                          uint64_t random)
{
    if (protocol == 6) {
        put_16(w, a_port(random));
        put_16(w, a_port(random >> 24));
        put_32(w, random >> 8);
        put_32(w, random >> 16);
        put_16(w, (20 + options) / 4 << 12 | (random >> 40 & 63));
        put_16(w, 65535);
        put_16(w, random >> 48);
        put_16(w, 0);
        for (unsigned i = 0; i < options; i++)
            put_8(w, 1);
    } else if (protocol == 17) {
        put_16(w, a_port(random));
        put_16(w, a_port(random >> 24));
        put_16(w, 8 + payload);
        put_16(w, random >> 48);
    } else {
        put_8(w, random >> 8 & 15);
        put_8(w, 0);
        put_16(w, random >> 48);
        put_32(w, random >> 16);
    }
    static const char *const beginnings[4] = { "GET /", "POST ", "HTTP/", "\0\0\0\0\0" };
    const char *beginning = beginnings[random >> 61 & 3];
    for (unsigned i = 0; i < payload; i++)
        put_8(w, i < 5 ? (unsigned char)beginning[i] : (unsigned)(random >> i % 56) & 255);
}

static void put_ipv4(struct writer *w, uint64_t random, uint64_t more)
{
    static const unsigned char protocols[8] = { 6, 6, 6, 6, 17, 17, 1, 47 };
    unsigned protocol = protocols[random >> 4 & 7];
    unsigned header = 20 + (random >> 7 & 7 ? 0 : 4 * (random >> 10 & 7));
    unsigned options = random >> 13 & 3 ? 0 : 12;
    unsigned payload = random >> 16 & 31;
    unsigned fragment = random >> 21 & 7;
    unsigned total = header + transport_size(protocol, options) + payload;
    unsigned char *begin = w->at;
    put_16(w, 0x4000 | header / 4 << 8 | (random >> 24 & 255));
    put_16(w, total);
    put_16(w, more >> 32 & 0xffff);
    /* 0: a later fragment; 1: the first one; else whole, with or without "don't fragment". */
    put_16(w, fragment == 0 ? 0x2000 | (1 + (more >> 20 & 0xfff))
              : fragment == 1 ? 0x2000
                              : (fragment & 1) << 14);
    put_8(w, 1 + (random >> 32 & 63));
    put_8(w, protocol);
    put_16(w, 0);
    put_32(w, an_address(random >> 40));
    put_32(w, an_address(random >> 44));
    for (unsigned i = 20; i < header; i++)
        put_8(w, 1);
    uint32_t sum = 0;
    for (unsigned i = 0; i < header; i += 2)
        sum += (unsigned)begin[i] << 8 | begin[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~(sum + (sum >> 16)) & 0xffff;
    begin[10] = sum >> 8;
    begin[11] = sum & 255;
    put_transport(w, protocol, options, payload, more);
}

static void put_ipv6(struct writer *w, uint64_t random, uint64_t more)
{
    static const unsigned char protocols[8] = { 6, 6, 6, 6, 17, 17, 58, 58 };
    unsigned protocol = protocols[random >> 4 & 7];
    unsigned fragment = random >> 7 & 7 ? 0 : 8;
    unsigned options = random >> 13 & 3 ? 0 : 12;
    unsigned payload = random >> 16 & 31;
    put_32(w, 0x60000000 | (random >> 24 & 0xfffff));
    put_16(w, fragment + transport_size(protocol, options) + payload);
    put_8(w, fragment ? 44 : protocol);
    put_8(w, 1 + (random >> 32 & 63));
    put_ipv6_address(w, random >> 40);
    put_ipv6_address(w, random >> 44);
    if (fragment) {
        put_8(w, protocol);
        put_8(w, 0);
        put_16(w, (more >> 20 & 0xff) << 3 | 1);
        put_32(w, more >> 32);
    }
    put_transport(w, protocol, options, payload, more);
}

/* Writes the next frame into a buffer of LARGEST_PACKET bytes: its length, and how much of it was
   captured. */
static uint32_t generate(uint64_t *state, unsigned char *buffer, uint32_t *captured)
{
    struct writer w = { buffer };
    uint64_t random = next(state), more = next(state);
    put_32(&w, 0x02000000);
    put_16(&w, random & 3);
    put_32(&w, 0x02000000);
    put_16(&w, more & 3);
    unsigned kind = random & 15;
    random = next(state);
    if (kind == 0) {
        put_16(&w, 0x0806);
        put_32(&w, 0x00010800);
        put_32(&w, 0x06040000 | (1 + (random & 1)));
        for (unsigned i = 0; i < 20; i += 4)
            put_32(&w, an_address(random >> i));
    } else if (kind == 1) {
        put_16(&w, 0x8100);
        put_16(&w, random & 0xfff);
        put_16(&w, 0x0800);
        put_ipv4(&w, random, more);
    } else if (kind < 11) {
        put_16(&w, 0x0800);
        put_ipv4(&w, random, more);
    } else {
        put_16(&w, 0x86dd);
        put_ipv6(&w, random, more);
    }
    uint32_t length = w.at - buffer;
    *captured = random >> 56 & 7 ? length : (uint32_t)(random >> 48 & 255) % length;
    return length;
}
