"""The text screen: gate, OCR, contact details, overlays."""
