package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"pilothouse/backend/authn"
	"pilothouse/backend/request"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apiserver/pkg/apis/apiserver"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
)

// claims are what a verified token says.
type claims map[string]json.RawMessage

func (c claims) into(name string, v any) error {
	raw, ok := c[name]
	if !ok {
		return errors.New("claim not present")
	}
	return json.Unmarshal(raw, v)
}

// userOf turns claims into a user, or says which rule they break. The words of
// the errors are Kubernetes'; TokenReview shows them.
func (a *Authenticator) userOf(ctx context.Context, c claims) (*request.User, error) {
	var values traits.Mapper = newClaimsValue(c)
	user := &request.User{}
	var err error
	if user.Name, err = a.username(ctx, c, values); err != nil {
		return nil, err
	}
	if user.Groups, err = a.groups(ctx, c, values); err != nil {
		return nil, err
	}
	if user.UID, err = a.uid(ctx, c, values); err != nil {
		return nil, err
	}
	if user.Extra, err = a.extra(ctx, c, values); err != nil {
		return nil, err
	}
	if err := a.checkClaims(ctx, c, values); err != nil {
		return nil, err
	}
	return user, a.checkUser(ctx, user)
}

func (a *Authenticator) mappings() *apiserver.ClaimMappings { return &a.o.JWT.ClaimMappings }

func (a *Authenticator) username(ctx context.Context, c claims, values traits.Mapper) (string, error) {
	if a.mapper.Username != nil {
		name, err := text(ctx, a.mapper.Username, values, "username")
		if err == nil && name == "" {
			err = errors.New("oidc: empty username via CEL expression is not allowed")
		}
		return name, err
	}
	m := a.mappings().Username
	var name string
	if err := c.into(m.Claim, &name); err != nil {
		return "", fmt.Errorf("oidc: parse username claims %q: %w", m.Claim, err)
	}
	if m.Claim == "email" {
		if err := verifiedEmail(c); err != nil {
			return "", err
		}
	}
	return prefixed(m.Prefix, name), nil
}

// verifiedEmail wants email_verified to be true where a provider says it.
func verifiedEmail(c claims) error {
	if _, ok := c["email_verified"]; !ok {
		return nil
	}
	var is bool
	if err := c.into("email_verified", &is); err != nil {
		return fmt.Errorf("oidc: parse 'email_verified' claim: %w", err)
	}
	if !is {
		return errors.New("oidc: email not verified")
	}
	return nil
}

func prefixed(prefix *string, s string) string {
	if prefix == nil {
		return s
	}
	return *prefix + s
}

func (a *Authenticator) groups(ctx context.Context, c claims, values traits.Mapper) ([]string, error) {
	m := a.mappings().Groups
	if raw, ok := c[m.Claim]; ok && m.Claim != "" {
		groups, err := oneOrMany(raw)
		if err != nil {
			return nil, fmt.Errorf("oidc: parse groups claim %q: %w", m.Claim, err)
		}
		for i := range groups {
			groups[i] = prefixed(m.Prefix, groups[i])
		}
		return groups, nil
	}
	if a.mapper.Groups == nil {
		return nil, nil
	}
	result, err := a.mapper.Groups.EvalClaimMapping(ctx, values)
	if err != nil {
		return nil, fmt.Errorf("oidc: error evaluating group claim expression: %w", err)
	}
	groups, err := textsOf(result.EvalResult)
	if err != nil {
		return nil, fmt.Errorf("oidc: error evaluating group claim expression: %w", err)
	}
	return groups, nil
}

// oneOrMany reads an array of strings, or one string.
func oneOrMany(raw json.RawMessage) ([]string, error) {
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		return many, nil
	}
	var one string
	if err := json.Unmarshal(raw, &one); err != nil {
		return nil, err
	}
	return []string{one}, nil
}

func (a *Authenticator) uid(ctx context.Context, c claims, values traits.Mapper) (string, error) {
	if claim := a.mappings().UID.Claim; claim != "" {
		var uid string
		if err := c.into(claim, &uid); err != nil {
			return "", fmt.Errorf("oidc: parse uid claim %q: %w", claim, err)
		}
		return uid, nil
	}
	if a.mapper.UID == nil {
		return "", nil
	}
	return text(ctx, a.mapper.UID, values, "uid")
}

// text evaluates an expression that must give a string.
func text(ctx context.Context, m authenticationcel.ClaimsMapper, values traits.Mapper, what string) (string, error) {
	result, err := m.EvalClaimMapping(ctx, values)
	if err != nil {
		return "", fmt.Errorf("oidc: error evaluating %s claim expression: %w", what, err)
	}
	s, ok := result.EvalResult.(types.String)
	if !ok {
		return "", fmt.Errorf("oidc: error evaluating %s claim expression: %s claim expression must return a string", what, what)
	}
	return string(s), nil
}

func (a *Authenticator) extra(ctx context.Context, c claims, values traits.Mapper) (map[string][]string, error) {
	extra := map[string][]string{}
	var id string
	if c.into("jti", &id) == nil && id != "" {
		extra[authn.CredentialID] = []string{"JTI=" + id}
	}
	if a.mapper.Extra != nil {
		results, err := a.mapper.Extra.EvalClaimMappings(ctx, values)
		if err != nil {
			return nil, err
		}
		for _, r := range results {
			mapping, ok := r.ExpressionAccessor.(*authenticationcel.ExtraMappingExpression)
			if !ok {
				return nil, errors.New("oidc: error evaluating extra claim expression: invalid type conversion, expected ExtraMappingCondition")
			}
			found, err := textsOf(r.EvalResult)
			if err != nil {
				return nil, fmt.Errorf("oidc: error evaluating extra claim expression: %s: %w", mapping.Expression, err)
			}
			if len(found) > 0 {
				extra[mapping.Key] = found
			}
		}
	}
	if len(extra) == 0 {
		return nil, nil
	}
	return extra, nil
}

// checkClaims wants the required claims and the rules about claims to hold.
func (a *Authenticator) checkClaims(ctx context.Context, c claims, values traits.Mapper) error {
	for _, claim := range slices.Sorted(maps.Keys(a.required)) {
		want := a.required[claim]
		if _, ok := c[claim]; !ok {
			return fmt.Errorf("oidc: required claim %s not present in ID token", claim)
		}
		var has string
		if err := c.into(claim, &has); err != nil {
			return fmt.Errorf("oidc: parse claim %s: %w", claim, err)
		}
		if has != want {
			return fmt.Errorf("oidc: required claim %s value does not match. Got = %s, want = %s", claim, has, want)
		}
	}
	if a.mapper.ClaimValidationRules == nil {
		return nil
	}
	results, err := a.mapper.ClaimValidationRules.EvalClaimMappings(ctx, values)
	if err == nil {
		err = hold(results)
	}
	if err != nil {
		return fmt.Errorf("oidc: error evaluating claim validation expression: %w", err)
	}
	return nil
}

// checkUser wants the rules about users to hold.
func (a *Authenticator) checkUser(ctx context.Context, user *request.User) error {
	if a.mapper.UserValidationRules == nil {
		return nil
	}
	results, err := a.mapper.UserValidationRules.EvalUser(ctx, newUserValue(user))
	if err == nil {
		err = hold(results)
	}
	if err != nil {
		return fmt.Errorf("oidc: error evaluating user info validation rule: %w", err)
	}
	return nil
}

// hold wants every result to be true.
func hold(results []authenticationcel.EvaluationResult) error {
	for _, r := range results {
		is, ok := r.EvalResult.(types.Bool)
		if !ok {
			return errors.New("validation expression must return a boolean")
		}
		if is {
			continue
		}
		message := ""
		switch rule := r.ExpressionAccessor.(type) {
		case *authenticationcel.ClaimValidationCondition:
			message = rule.Message
		case *authenticationcel.UserValidationCondition:
			message = rule.Message
		}
		return fmt.Errorf("validation expression '%s' failed: %s", r.ExpressionAccessor.GetExpression(), message)
	}
	return nil
}
