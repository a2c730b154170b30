"""Calls that pay for reviews, in the languages of the rules, and honest words about reviews."""

import pytest

from ml.vision.screens.text.review_for_cash import find_review_calls

CALLS = (
    "五星好评晒图返3元",
    "好评有礼 截图联系客服领红包",
    "给好评送小礼物",
    "5-star review = $15 Amazon gift card",
    "Get a full refund for your honest review",
    "CASHBACK FOR 5 STARS",
    "好 评 返 现",
    "★★★★★ = $10",
    "Bewerten Sie uns mit 5 Sternen und erhalten Sie 10 €",
    "Laissez un avis 5 étoiles et recevez 10€",
    "Deja tu reseña de 5 estrellas y recibe $10",
    "Avalie com 5 estrelas e ganhe um brinde",
    "Recensione 5 stelle: buono da 10 €",
    "レビューを書いてギフト券プレゼント",
    "리뷰 작성 시 쿠폰 증정",
    "Кэшбэк за отзыв",
    "รีวิว 5 ดาว รับเงินคืน",
    "Đánh giá 5 sao hoàn tiền",
)
HONEST = (
    "用户评价 1288条 好评率 98%",
    "4.8 stars (1,234 reviews) $19.99",
    "五星级酒店同款",
    "现金支付 满100减20元",
    "Rated 5 stars by customers",
    "好评如潮 送礼佳品",
    "新年红包 大吉大利",
    "合计 138.00 现金 150.00 找零 12.00",
    "Refund within 30 days",
    "5 Sterne Hotel",
    "返厂维修",
)


@pytest.mark.parametrize("text", CALLS)
def test_call_that_pays_for_a_review_is_found(text: str) -> None:
    assert list(find_review_calls([text]))


@pytest.mark.parametrize("text", HONEST)
def test_honest_text_about_reviews_is_none(text: str) -> None:
    assert list(find_review_calls([text])) == []


def test_call_that_is_split_over_lines_is_found_once() -> None:
    lines = ["THANK YOU", "Send us your 5 star review", "and get your gift", "Cotton"]
    assert len(list(find_review_calls(lines))) == 1
