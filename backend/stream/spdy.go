package stream

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"sync"
)

// The client's end of SPDY/3.1 as kubelets speak it: a few streams that are
// opened at once, no flow control. It is written out here because the headers of
// SPDY are compressed, and a compressor that is used for one message of a
// hundred bytes holds most of a megabyte for as long as the command lasts. These
// headers are written without compression, which zlib allows, and those of
// answers are not read: they say nothing.

// Control frames.
const (
	spdySynStream = 1
	spdyRstStream = 3
	spdyPing      = 6
	spdyFin       = 1
	// spdyHead is the length of every frame's header.
	spdyHead = 8
)

// zlibHead begins a zlib stream with SPDY/3's dictionary, which is named by its
// checksum and not used.
var zlibHead = []byte{0x78, 0x20, 0xe3, 0xc6, 0xa7, 0xc2}

// spdyConn is a connection to a kubelet.
type spdyConn struct {
	backend io.ReadWriteCloser
	r       *bufio.Reader

	mu    sync.Mutex // guards writes and pings
	pings uint32
}

func newSPDYConn(b io.ReadWriteCloser) *spdyConn {
	return &spdyConn{backend: b, r: bufio.NewReaderSize(b, 1<<10), pings: 1}
}

func (c *spdyConn) write(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.backend.Write(p)
	return err
}

// open opens a stream of each kind. Their ids are 1, 3, 5 and so on.
func (c *spdyConn) open(kinds []string) error {
	var p []byte
	for i, kind := range kinds {
		block := headerBlock("streamtype", kind)
		if i == 0 {
			block = append(zlibHead[:len(zlibHead):len(zlibHead)], block...)
		}
		p = appendControl(p, spdySynStream, 10+len(block))
		p = binary.BigEndian.AppendUint32(p, streamID(i))
		p = append(p, 0, 0, 0, 0, 0, 0) // no associated stream, no priority
		p = append(p, block...)
	}
	return c.write(p)
}

// streamID is the id of a client's n-th stream.
func streamID(n int) uint32 { return uint32(2*n + 1) }

// headerBlock is one header as stored blocks of deflate: one with the header, and
// an empty one, at which readers hand on what they have.
func headerBlock(name, value string) []byte {
	var h []byte
	h = binary.BigEndian.AppendUint32(h, 1)
	for _, s := range []string{name, value} {
		h = binary.BigEndian.AppendUint32(h, uint32(len(s)))
		h = append(h, s...)
	}
	n := uint16(len(h))
	b := []byte{0, byte(n), byte(n >> 8), byte(^n), byte(^n >> 8)}
	b = append(b, h...)
	return append(b, 0, 0, 0, 0xff, 0xff)
}

func appendControl(p []byte, kind uint16, length int) []byte {
	p = append(p, 0x80, 3)
	p = binary.BigEndian.AppendUint16(p, kind)
	return binary.BigEndian.AppendUint32(p, uint32(length)) // flags 0 and the length in 24 bits
}

// data sends a frame whose first bytes are free for the header.
func (c *spdyConn) data(id uint32, frame []byte, flags byte) error {
	binary.BigEndian.PutUint32(frame, id)
	binary.BigEndian.PutUint32(frame[4:], uint32(len(frame)-spdyHead))
	frame[4] = flags
	return c.write(frame)
}

// copyIn sends all of from over a stream.
func (c *spdyConn) copyIn(id uint32, from io.Reader) error {
	return readStream(from, spdyHead, func(p []byte) error { return c.data(id, p, 0) })
}

// end says that a stream has no more data from here.
func (c *spdyConn) end(id uint32) error { return c.data(id, make([]byte, spdyHead), spdyFin) }

// ping asks for a sign of life.
func (c *spdyConn) ping() error {
	c.mu.Lock()
	p := binary.BigEndian.AppendUint32(appendControl(nil, spdyPing, 4), c.pings)
	c.pings += 2
	c.mu.Unlock()
	return c.write(p)
}

// frame is the header of a frame that carries data or ends a stream.
type frame struct {
	stream uint32
	length int // of the data, which is to be read next
	fin    bool
}

// next gives the next frame about a stream. It answers pings and passes over
// what says nothing here.
func (c *spdyConn) next() (frame, error) {
	var h [spdyHead]byte
	for {
		if _, err := io.ReadFull(c.r, h[:]); err != nil {
			return frame{}, err
		}
		length := int(binary.BigEndian.Uint32(h[4:]) & 0xffffff)
		if h[0]&0x80 == 0 {
			return frame{stream: binary.BigEndian.Uint32(h[:]), length: length, fin: h[4]&spdyFin != 0}, nil
		}
		kind := binary.BigEndian.Uint16(h[2:])
		if (kind == spdyRstStream || kind == spdyPing) && length < 4 {
			return frame{}, errors.New("a frame of the kubelet is too short")
		}
		var id uint32
		if kind == spdyRstStream || kind == spdyPing {
			var p [4]byte
			if _, err := io.ReadFull(c.r, p[:]); err != nil {
				return frame{}, err
			}
			id, length = binary.BigEndian.Uint32(p[:]), length-4
		}
		if _, err := c.r.Discard(length); err != nil {
			return frame{}, err
		}
		switch {
		case kind == spdyRstStream:
			return frame{stream: id & 0x7fffffff, fin: true}, nil
		case kind == spdyPing && id%2 == 0: // an odd one answers ours
			if err := c.write(binary.BigEndian.AppendUint32(appendControl(nil, spdyPing, 4), id)); err != nil {
				return frame{}, err
			}
		}
	}
}
