package oidc

import (
	"reflect"
	"testing"

	"k8s.io/apiserver/pkg/apis/apiserver"
)

// entra is a provider with the claims that Microsoft Entra ID gives in v2.0
// tokens of one tenant.
func entra(t *testing.T) (*provider, func(change claimsOf) string) {
	p := newProvider(t)
	p.path = "/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0"
	return p, func(change claimsOf) string {
		c := claimsOf{
			"ver": "2.0", "tid": "9122040d-6c67-4c5b-b112-36a304b66dad", "oid": "a1dbdde8-e4f9-4571-ad93-3059e3750d23",
			"sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "name": "Abe Lincoln", "preferred_username": "abe@contoso.com",
			"groups": []string{"1e26f2f9-0001-4a5c-9f0e-000000000001", "1e26f2f9-0001-4a5c-9f0e-000000000002"}, "uti": "mB9R1QHb", "rh": "0.A",
		}
		for k, v := range change {
			c[k] = v
		}
		return p.token(c)
	}
}

func TestEntra(t *testing.T) {
	p, token := entra(t)
	a := p.authenticator(func(j *apiserver.JWTAuthenticator) {
		aad := "aad:"
		j.ClaimMappings = apiserver.ClaimMappings{
			Username: apiserver.PrefixedClaimOrExpression{Claim: "preferred_username", Prefix: &aad},
			Groups:   apiserver.PrefixedClaimOrExpression{Claim: "groups", Prefix: &aad},
			UID:      apiserver.ClaimOrExpression{Claim: "oid"},
		}
		j.ClaimValidationRules = []apiserver.ClaimValidationRule{{Claim: "tid", RequiredValue: "9122040d-6c67-4c5b-b112-36a304b66dad"}}
	})
	u := check(t, a, "a member", token(nil), "aad:abe@contoso.com", "")
	if u.UID != "a1dbdde8-e4f9-4571-ad93-3059e3750d23" || !reflect.DeepEqual(u.Groups, []string{"aad:1e26f2f9-0001-4a5c-9f0e-000000000001", "aad:1e26f2f9-0001-4a5c-9f0e-000000000002"}) {
		t.Errorf("%+v", u)
	}
	check(t, a, "of another tenant", token(claimsOf{"tid": "72f988bf-86f1-41af-91ab-2d7cd011db47"}), "", "required claim tid value does not match")
	overage := claimsOf{
		"groups": nil, "_claim_names": claimsOf{"groups": "src1"},
		"_claim_sources": claimsOf{"src1": claimsOf{"endpoint": "https://graph.windows.net/9122040d/users/a1dbdde8/getMemberObjects"}},
	}
	check(t, a, "in too many groups", token(overage), "", "groups overage")
	check(t, a, "in too many groups, implicit flow", token(claimsOf{"groups": nil, "hasgroups": true}), "aad:abe@contoso.com", "")
}

// With an expression the administrator chooses what becomes of those in too many
// groups: here they log in without groups, and app roles stand for the rest.
func TestEntraWithExpressions(t *testing.T) {
	p, token := entra(t)
	a := p.authenticator(func(j *apiserver.JWTAuthenticator) {
		j.ClaimMappings = apiserver.ClaimMappings{
			Username: apiserver.PrefixedClaimOrExpression{Expression: `"aad:" + claims.oid`},
			Groups:   apiserver.PrefixedClaimOrExpression{Expression: `(claims.?groups.orValue([]) + claims.?roles.orValue([])).map(g, "aad:" + g)`},
			Extra:    []apiserver.ExtraMapping{{Key: "contoso.com/login", ValueExpression: "claims.preferred_username"}},
		}
	})
	overage := claimsOf{
		"groups": nil, "roles": []string{"Cluster.Admin"}, "_claim_names": claimsOf{"groups": "src1"},
		"_claim_sources": claimsOf{"src1": claimsOf{"endpoint": "https://graph.microsoft.com/v1.0/users/a1dbdde8/getMemberObjects"}},
	}
	u := check(t, a, "in too many groups", token(overage), "aad:a1dbdde8-e4f9-4571-ad93-3059e3750d23", "")
	if !reflect.DeepEqual(u.Groups, []string{"aad:Cluster.Admin"}) || !reflect.DeepEqual(u.Extra["contoso.com/login"], []string{"abe@contoso.com"}) {
		t.Errorf("%+v", u)
	}
}
