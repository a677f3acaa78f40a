package scheme

import (
	"fmt"
	"sync"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// MaxPatchOperations is the most operations that a JSON patch may have, as in
// Kubernetes.
const MaxPatchOperations = 10000

// maxPatchGrowth bounds what the copies of a JSON patch may add to a document, in
// bytes.
const maxPatchGrowth = 3 << 20

// limitCopies sets the library's own limit, which is for the whole process.
var limitCopies = sync.OnceFunc(func() { jsonpatch.AccumulatedCopySizeLimit = maxPatchGrowth })

// ApplyPatch applies a JSON patch (RFC 6902) to a document. Patches on which the
// library panics are errors.
func ApplyPatch(patch jsonpatch.Patch, doc []byte) (patched []byte, err error) {
	limitCopies()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the patch cannot be applied: %v", p)
		}
	}()
	return patch.Apply(doc)
}
