package plugins

import (
	"context"
	"strings"

	"pilothouse/backend/authz"
	"pilothouse/backend/request"
)

const certificatesGroup = "certificates.k8s.io"

func csr(subresource string) target {
	return target{certificatesGroup, "certificatesigningrequests", subresource}
}

// maySign tells whether a user may do something on behalf of a signer: for that
// one, or for all of its domain ("example.com/*"). An error is a no.
func maySign(ctx context.Context, a authz.Authorizer, user *request.User, verb, signer string) bool {
	domain, _, _ := strings.Cut(signer, "/")
	for _, name := range []string{signer, domain + "/*"} {
		decision, _, _ := a.Authorize(ctx, &authz.Attributes{
			User: user, Verb: verb, IsResource: true,
			Group: certificatesGroup, Version: "*", Resource: "signers", Name: name,
		})
		if decision == authz.Allow {
			return true
		}
	}
	return false
}
