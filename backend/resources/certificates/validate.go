package certificates

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"pilothouse/backend/resources/validate"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// legacyUnknownSigner may only be had by requests that came through v1beta1.
const legacyUnknownSigner = "kubernetes.io/legacy-unknown"

// minLifetime is the shortest lifetime that a request may ask for, in seconds.
const minLifetime = 600

// usages are the known key usages, sorted as errors list them.
var usages = []certificatesv1.KeyUsage{
	certificatesv1.UsageAny,
	certificatesv1.UsageCertSign,
	certificatesv1.UsageClientAuth,
	certificatesv1.UsageCodeSigning,
	certificatesv1.UsageContentCommitment,
	certificatesv1.UsageCRLSign,
	certificatesv1.UsageDataEncipherment,
	certificatesv1.UsageDecipherOnly,
	certificatesv1.UsageDigitalSignature,
	certificatesv1.UsageEmailProtection,
	certificatesv1.UsageEncipherOnly,
	certificatesv1.UsageIPsecEndSystem,
	certificatesv1.UsageIPsecTunnel,
	certificatesv1.UsageIPsecUser,
	certificatesv1.UsageKeyAgreement,
	certificatesv1.UsageKeyEncipherment,
	certificatesv1.UsageMicrosoftSGC,
	certificatesv1.UsageNetscapeSGC,
	certificatesv1.UsageOCSPSigning,
	certificatesv1.UsageSMIME,
	certificatesv1.UsageServerAuth,
	certificatesv1.UsageSigning,
	certificatesv1.UsageTimestamping,
}

// tolerance is what an object may keep because it was stored with it.
type tolerance struct {
	legacySigner, unknownUsages, duplicateUsages                   bool
	emptyConditionType, duplicateConditions, bothApprovedAndDenied bool
	anyCertificate                                                 bool
}

func toleranceFor(r, old *csr) tolerance {
	if old == nil {
		return tolerance{}
	}
	return tolerance{
		legacySigner:  old.Spec.SignerName == legacyUnknownSigner,
		unknownUsages: slices.ContainsFunc(old.Spec.Usages, func(u certificatesv1.KeyUsage) bool { return !slices.Contains(usages, u) }),
		duplicateUsages: hasDuplicate(old.Spec.Usages,
			func(u certificatesv1.KeyUsage) string { return string(u) }),
		emptyConditionType: len(conditionsOf(old, "")) > 0,
		duplicateConditions: hasDuplicate(old.Status.Conditions,
			func(c certificatesv1.CertificateSigningRequestCondition) string { return string(c.Type) }),
		bothApprovedAndDenied: len(conditionsOf(old, certificatesv1.CertificateApproved)) > 0 &&
			len(conditionsOf(old, certificatesv1.CertificateDenied)) > 0,
		anyCertificate: bytes.Equal(r.Status.Certificate, old.Status.Certificate) || checkCertificate(old.Status.Certificate) != nil,
	}
}

func hasDuplicate[T any](items []T, key func(T) string) bool {
	seen := map[string]bool{}
	for _, item := range items {
		if seen[key(item)] {
			return true
		}
		seen[key(item)] = true
	}
	return false
}

func validateRequest(r *csr, t tolerance) field.ErrorList {
	var errs field.ErrorList
	spec := field.NewPath("spec")
	if err := checkRequest(r.Spec.Request); err != nil {
		errs = append(errs, field.Invalid(spec.Child("request"), r.Spec.Request, err.Error()))
	}
	errs = append(errs, validateUsages(r.Spec.Usages, t, spec.Child("usages"))...)
	if !t.legacySigner && r.Spec.SignerName == legacyUnknownSigner {
		errs = append(errs, field.Invalid(spec.Child("signerName"), r.Spec.SignerName, "the legacy signerName is not allowed via this API version"))
	} else {
		errs = append(errs, validate.SignerName(spec.Child("signerName"), r.Spec.SignerName)...)
	}
	if n := r.Spec.ExpirationSeconds; n != nil && *n < minLifetime {
		errs = append(errs, field.Invalid(spec.Child("expirationSeconds"), *n, "may not specify a duration less than 600 seconds (10 minutes)"))
	}
	errs = append(errs, validateConditions(r.Status.Conditions, t, field.NewPath("status", "conditions"))...)
	if !t.anyCertificate {
		if err := checkCertificate(r.Status.Certificate); err != nil {
			errs = append(errs, field.Invalid(field.NewPath("status", "certificate"), "<certificate data>", err.Error()))
		}
	}
	return errs
}

func validateUsages(given []certificatesv1.KeyUsage, t tolerance, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(given) == 0 {
		errs = append(errs, field.Required(at, ""))
	}
	for i, usage := range given {
		if !t.unknownUsages {
			errs = append(errs, validate.OneOf(at.Index(i), usage, usages)...)
		}
	}
	for i, usage := range given {
		if !t.duplicateUsages && slices.Contains(given[:i], usage) {
			errs = append(errs, field.Duplicate(at.Index(i), usage))
		}
	}
	return errs
}

// checkRequest wants a PEM block with a certificate request whose signature is
// its own key's.
func checkRequest(data []byte) error {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return errors.New("PEM block type must be CERTIFICATE REQUEST")
	}
	parsed, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return err
	}
	return parsed.CheckSignature()
}

// checkCertificate wants PEM blocks of certificates only, or nothing.
func checkCertificate(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	for blocks := 0; ; blocks++ {
		block, rest := pem.Decode(data)
		if block == nil {
			if blocks == 0 {
				return errors.New("must contain at least one CERTIFICATE PEM block")
			}
			return nil
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("only CERTIFICATE PEM blocks are allowed, found %q", block.Type)
		}
		if len(block.Headers) != 0 {
			return errors.New("no PEM block headers are permitted")
		}
		parsed, err := x509.ParseCertificates(block.Bytes)
		if err != nil {
			return err
		}
		if len(parsed) == 0 {
			return errors.New("found CERTIFICATE PEM block containing 0 certificates")
		}
		data = rest
	}
}

func validateConditions(conditions []certificatesv1.CertificateSigningRequestCondition, t tolerance, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := map[certificatesv1.RequestConditionType]bool{}
	exclusive := map[certificatesv1.RequestConditionType]certificatesv1.RequestConditionType{
		certificatesv1.CertificateApproved: certificatesv1.CertificateDenied,
		certificatesv1.CertificateDenied:   certificatesv1.CertificateApproved,
	}
	for i, c := range conditions {
		if !t.emptyConditionType && c.Type == "" {
			errs = append(errs, field.Required(at.Index(i).Child("type"), ""))
		}
		errs = append(errs, validateConditionStatus(c, at.Index(i).Child("status"))...)
		if other := exclusive[c.Type]; other != "" && seen[other] && !t.bothApprovedAndDenied {
			errs = append(errs, field.Invalid(at, c.Type, "Approved and Denied conditions are mutually exclusive"))
		}
		if !t.duplicateConditions && seen[c.Type] {
			errs = append(errs, field.Duplicate(at.Index(i).Child("type"), c.Type))
		}
		seen[c.Type] = true
	}
	return errs
}

// validateConditionStatus wants True for the conditions that mean a decision.
func validateConditionStatus(c certificatesv1.CertificateSigningRequestCondition, at *field.Path) field.ErrorList {
	allowed := []corev1.ConditionStatus{corev1.ConditionFalse, corev1.ConditionTrue, corev1.ConditionUnknown}
	switch c.Type {
	case certificatesv1.CertificateApproved, certificatesv1.CertificateDenied, certificatesv1.CertificateFailed:
		allowed = []corev1.ConditionStatus{corev1.ConditionTrue}
	}
	if c.Status == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	return validate.OneOf(at, c.Status, allowed)
}

// mayChange says what an update's path lets change.
type mayChange struct{ approval, certificate bool }

func validateRequestUpdate(r, old *csr, may mayChange) field.ErrorList {
	errs := validateRequest(r, toleranceFor(r, old))
	conditions := field.NewPath("status", "conditions")
	decisions := []certificatesv1.RequestConditionType{certificatesv1.CertificateApproved, certificatesv1.CertificateDenied}
	for _, t := range append(decisions, certificatesv1.CertificateFailed) {
		if len(conditionsOf(r, t)) < len(conditionsOf(old, t)) {
			errs = append(errs, field.Forbidden(conditions, fmt.Sprintf("updates may not remove a condition of type %q", t)))
		}
	}
	for _, t := range decisions {
		if !may.approval && len(conditionsOf(r, t)) > len(conditionsOf(old, t)) {
			errs = append(errs, field.Forbidden(conditions, fmt.Sprintf("updates may not add a condition of type %q", t)))
		}
	}
	if !bytes.Equal(r.Status.Certificate, old.Status.Certificate) {
		certificate := field.NewPath("status", "certificate")
		if !may.certificate {
			errs = append(errs, field.Forbidden(certificate, "updates may not set certificate content"))
		} else if len(old.Status.Certificate) > 0 {
			errs = append(errs, field.Forbidden(certificate, "updates may not modify existing certificate content"))
		}
	}
	return errs
}
