package openapi

import (
	"bytes"
	"compress/gzip"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"
)

func TestJoinedPiecesAreOneGzipStream(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	var pieces []piece
	var want []byte
	for _, long := range []int{0, 1, 70_000, 3, 0, 300_000, 17} {
		plain := make([]byte, long)
		for i := range plain {
			plain[i] = "abcdef{}\","[random.IntN(10)]
		}
		p := pieceOf(plain)
		if back, err := p.plain(); err != nil || !bytes.Equal(back, plain) {
			t.Fatalf("a piece of %d bytes comes back as %d bytes, %v", long, len(back), err)
		}
		pieces, want = append(pieces, p), append(want, plain...)
	}
	zipped := gzipOf(pieces)
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	r.Multistream(false) // not all clients take more than one
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, want %d: %v", len(got), len(want), err)
	}
}

func TestChecksumOfTwoTexts(t *testing.T) {
	for _, c := range [][2]string{{"", ""}, {"a", ""}, {"", "b"}, {"what is first", "and what follows"}, {"x", string(make([]byte, 100_003))}} {
		want := crc32.ChecksumIEEE([]byte(c[0] + c[1]))
		if got := combine(crc32.ChecksumIEEE([]byte(c[0])), crc32.ChecksumIEEE([]byte(c[1])), int64(len(c[1]))); got != want {
			t.Errorf("%d and %d bytes: %x, want %x", len(c[0]), len(c[1]), got, want)
		}
	}
}
