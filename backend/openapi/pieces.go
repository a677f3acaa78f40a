package openapi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// piece is a part of a document, compressed by itself. Pieces are joined to one
// gzip stream without being compressed again: each ends at a byte and refers to
// nothing before it.
type piece struct {
	deflated []byte
	crc      uint32
	size     int64 // of what was compressed
}

var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(io.Discard, flate.BestSpeed)
	if err != nil {
		panic("BUG: " + err.Error()) // the level is one that there is
	}
	return w
}}

func pieceOf(plain []byte) piece {
	var buf bytes.Buffer
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&buf)
	// Neither can fail: the buffer takes everything.
	_, _ = w.Write(plain)
	_ = w.Flush() // to a byte, and the stream goes on
	return piece{bytes.Clone(buf.Bytes()), crc32.ChecksumIEEE(plain), int64(len(plain))}
}

// lastBlock is an empty block that ends a stream.
var lastBlock = []byte{0x03, 0x00}

func (p piece) plain() ([]byte, error) {
	r := flate.NewReader(io.MultiReader(bytes.NewReader(p.deflated), bytes.NewReader(lastBlock)))
	plain := bytes.NewBuffer(make([]byte, 0, p.size+bytes.MinRead))
	if _, err := plain.ReadFrom(r); err != nil {
		return nil, fmt.Errorf("read a compressed piece: %w", err)
	}
	return plain.Bytes(), nil
}

// gzipHeader says: deflate, no name, no time, any system.
var gzipHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

// gzipOf gives the gzip stream of pieces one after the other.
func gzipOf(pieces []piece) []byte {
	long := len(gzipHeader) + len(lastBlock) + 8
	for _, p := range pieces {
		long += len(p.deflated)
	}
	out := append(make([]byte, 0, long), gzipHeader...)
	var crc uint32
	var size int64
	for _, p := range pieces {
		out = append(out, p.deflated...)
		crc = combine(crc, p.crc, p.size)
		size += p.size
	}
	out = append(out, lastBlock...)
	out = binary.LittleEndian.AppendUint32(out, crc)
	return binary.LittleEndian.AppendUint32(out, uint32(size)) //nolint:gosec // gzip keeps the size modulo 2^32
}

// combine gives the CRC of two texts one after the other, of the CRC of each and
// the second one's length, as zlib's crc32_combine does: the first is multiplied
// by x to the power of as many bits as follow, modulo the polynomial.
func combine(first, second uint32, size int64) uint32 {
	power := one
	for n, k := size, 3; n != 0; n, k = n>>1, k+1 { // 2^3 bits a byte
		if n&1 != 0 {
			power = multiply(powers[k%len(powers)], power)
		}
	}
	return multiply(power, first) ^ second
}

// one is the polynomial 1: bits are from the highest power down.
const one = uint32(1) << 31

// powers are x^(2^n) modulo the polynomial.
var powers = func() (out [32]uint32) {
	out[0] = one >> 1
	for n := 1; n < len(out); n++ {
		out[n] = multiply(out[n-1], out[n-1])
	}
	return out
}()

// multiply gives the product of two polynomials modulo that of the CRC.
func multiply(a, b uint32) uint32 {
	var product uint32
	for m := one; m != 0; m >>= 1 {
		if a&m != 0 {
			product ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ crc32.IEEE
		} else {
			b >>= 1
		}
	}
	return product
}
