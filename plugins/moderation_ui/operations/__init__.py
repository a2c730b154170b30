"""Operations page."""
