package stream

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"

	"pilothouse/backend/request"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The channels of a command's WebSocket: the first byte of each message.
const (
	channelStdin  = 0
	channelStdout = 1
	channelStderr = 2
	channelError  = 3
	channelResize = 4
	// channelClose says that the channel in the next byte has ended (v5).
	channelClose = 255
)

// commandProtocols are the subprotocols of exec and attach. Those with base64
// are for clients that cannot send bytes: a digit for the channel, then base64.
var commandProtocols = []string{
	"v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io", "base64.channel.k8s.io", "",
}

// protocol is what one of commandProtocols means.
type protocol struct {
	base64 bool
	// status tells that the error channel carries a Status; before v4 it was the
	// text of an error.
	status bool
	// closes tells that a client can end its stdin.
	closes bool
}

func protocolOf(name string) protocol {
	return protocol{
		base64: strings.Contains(name, "base64."),
		status: strings.HasPrefix(name, "v4.") || strings.HasPrefix(name, "v5."),
		closes: strings.HasPrefix(name, "v5."),
	}
}

// frame makes a message out of p, whose first byte is free for the channel.
func (p protocol) frame(channel byte, data []byte) (kind int, message []byte) {
	if !p.base64 {
		data[0] = channel
		return request.BinaryMessage, data
	}
	message = make([]byte, 1, 1+base64.StdEncoding.EncodedLen(len(data)-1))
	message[0] = '0' + channel
	return request.TextMessage, base64.StdEncoding.AppendEncode(message, data[1:])
}

// open reads the channel of a message and gives its data; false for a message
// without any.
func (p protocol) open(message io.Reader) (channel byte, data io.Reader, ok bool) {
	var first [1]byte
	if _, err := io.ReadFull(message, first[:]); err != nil {
		return 0, nil, false
	}
	if !p.base64 {
		return first[0], message, true
	}
	return first[0] - '0', base64.NewDecoder(base64.StdEncoding, message), true
}

// outcome is what goes over the error channel at the end: the Status as JSON,
// for old clients the text of an error alone.
func (p protocol) outcome(status *metav1.Status) []byte {
	if p.status {
		if b, err := json.Marshal(status); err == nil {
			return b
		}
	}
	if status.Status == metav1.StatusSuccess {
		return nil
	}
	return []byte(status.Message)
}
