package terminal

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/request"
)

// ends gives both ends of a socket inside the process.
func ends(t *testing.T) (near, far *inside) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	return newInside(a), newInside(b)
}

// says runs what one end says while the other is tested.
func says(t *testing.T, f func() error) (done chan struct{}) {
	t.Helper()
	done = make(chan struct{})
	go func() {
		defer close(done)
		if err := f(); err != nil {
			t.Error(err)
		}
	}()
	return done
}

func TestMessagesKeepTheirEnds(t *testing.T) {
	near, far := ends(t)
	long := strings.Repeat("x", 100_000)
	done := says(t, func() error {
		w, err := far.NextWriter(request.TextMessage)
		if err == nil {
			_, err = io.WriteString(w, "in ")
		}
		if err == nil {
			_, err = io.WriteString(w, "parts")
		}
		return errors.Join(err, w.Close(), far.WriteControl(request.PingMessage, nil, time.Now()), far.WriteMessage(request.BinaryMessage, []byte(long)),
			far.WriteMessage(request.BinaryMessage, nil), far.WriteMessage(request.BinaryMessage, []byte("last")),
			far.WriteControl(request.CloseMessage, request.ClosingWith(request.CloseNormal, ""), time.Now().Add(30*time.Second)))
	})
	if kind, p, err := near.ReadMessage(); kind != request.TextMessage || string(p) != "in parts" || err != nil {
		t.Errorf("got %d %q %v", kind, p, err)
	}
	// The rest of one that is read in part is left out.
	_, message, err := near.NextReader()
	var some [10]byte
	if err == nil {
		_, err = io.ReadFull(message, some[:])
	}
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{"", "last"} {
		if kind, p, err := near.ReadMessage(); kind != request.BinaryMessage || string(p) != want || err != nil {
			t.Errorf("got %d %q %v, want %q", kind, p, err, want)
		}
	}
	if _, _, err := near.ReadMessage(); !errors.Is(err, io.EOF) {
		t.Errorf("a goodbye gives %v", err)
	}
	<-done
}

func TestAMessageThatIsTooLongEndsTheSocket(t *testing.T) {
	near, far := ends(t)
	near.SetReadLimit(3)
	done := says(t, func() error {
		if err := far.WriteMessage(request.BinaryMessage, []byte("abc")); err != nil {
			return err
		}
		if far.WriteMessage(request.BinaryMessage, make([]byte, 100_000)) == nil {
			t.Error("it was taken")
		}
		return nil
	})
	if _, p, err := near.ReadMessage(); string(p) != "abc" || err != nil {
		t.Errorf("got %q %v", p, err)
	}
	if _, _, err := near.ReadMessage(); !errors.Is(err, errTooLong) {
		t.Errorf("got %v", err)
	}
	<-done
}

func TestWaitingForTheOtherEndHasAnEnd(t *testing.T) {
	near, far := ends(t)
	past := time.Now().Add(-time.Second)
	if err := near.SetReadDeadline(past); err != nil {
		t.Fatal(err)
	}
	if _, _, err := near.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading gives %v", err)
	}
	if err := far.WriteControl(request.CloseMessage, nil, past); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a goodbye gives %v", err)
	}
	near.Close()
	if _, _, err := far.ReadMessage(); !errors.Is(err, io.EOF) {
		t.Errorf("the other end is told %v", err)
	}
}
