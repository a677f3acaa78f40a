package validate

import (
	"bytes"
	"encoding/json"

	"k8s.io/apimachinery/pkg/runtime"
)

// SameRaw tells that two pieces of JSON are the same but for spaces: what is
// stored has none, whatever the client sent.
func SameRaw(a, b *runtime.RawExtension) bool {
	return bytes.Equal(compact(a.Raw), compact(b.Raw))
}

func compact(raw []byte) []byte {
	var buf bytes.Buffer
	if json.Compact(&buf, raw) != nil {
		return raw
	}
	return buf.Bytes()
}
